"""Pixels: uint8 arrays from arrays of other types, and decoding of image files."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chaffinch.core.errors import InputError
from chaffinch.core.identity import digest

Pixels = NDArray[np.uint8]
Encoded = Path | bytes
"""An image file, on disk or in memory."""

SUFFIXES = frozenset(
    (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
)
"""Files that are taken for images."""

UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
"""What Pillow raises on a file that is no image or a damaged one."""

_CHANNELS = (1, 3, 4)
_GRAY_MODES = ("1", "L", "LA", "La", "I", "F")


@dataclass(frozen=True)
class Header:
    """What is known of an image file without decoding it."""

    digest: str
    height: int
    width: int
    gray: bool


def read_header(encoded: Encoded) -> Header:
    """Hash an image file and read its size and mode; raises one of `UNREADABLE`."""
    content = encoded if isinstance(encoded, bytes) else encoded.read_bytes()
    with Image.open(io.BytesIO(content)) as image:
        gray = image.mode in _GRAY_MODES or image.mode.startswith("I;")
        return Header(digest(content), image.height, image.width, gray)


def decode(encoded: Encoded, size: tuple[int, int], channels: int) -> Pixels:
    """Decode one image file to ``size`` (height, width); raises one of `UNREADABLE`.

    Pixels of 16 bits keep their upper 8; transparency is dropped.

    Returns:
        (H, W, channels) uint8, channels 1 or 3.
    """
    with Image.open(io.BytesIO(encoded) if isinstance(encoded, bytes) else encoded) as image:
        # A JPEG much larger than wanted is decoded at a half, quarter or eighth of its size.
        image.draft("RGB" if channels == 3 else "L", (size[1], size[0]))
        if image.mode.startswith("I"):
            deep = np.clip(np.asarray(image).astype(np.int64) >> 8, 0, 255)
            return resize(deep.astype(np.uint8)[..., None], size, channels)
        if image.mode == "F":
            raise ValueError("pixels are 32-bit floats")
        # Transparent palettes reach RGB without a warning by way of RGBA only.
        full = image.convert("RGBA") if "transparency" in image.info else image
        plain = np.asarray(full.convert("RGB" if channels == 3 else "L"))
    return resize(plain if plain.ndim == 3 else plain[..., None], size, channels)


def resize(pixels: Pixels, size: tuple[int, int], channels: int) -> Pixels:
    """Bring one (H, W, 1 or 3) image to ``size`` (height, width) and 1 or 3 channels."""
    if pixels.shape[2] != channels:
        if channels == 3:
            pixels = np.repeat(pixels, 3, axis=2)
        else:
            pixels = np.asarray(Image.fromarray(pixels).convert("L"))[..., None]
    if pixels.shape[:2] == size:
        return pixels
    image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
    small = np.asarray(image.resize((size[1], size[0]), Image.Resampling.BILINEAR))
    return small[..., None] if channels == 1 else small


def channels_last(images: NDArray[Any], what: str) -> NDArray[Any]:
    """View (N, H, W), (N, H, W, C) or (N, C, H, W) images, C in 1, 3, 4, as (N, H, W, C).

    Raises:
        InputError: Another shape, or one that can be read both ways.
    """
    expected = f"(N, H, W), (N, H, W, C) or (N, C, H, W) with 1, 3 or 4 channels for {what}"
    if images.ndim == 3:
        return images[..., None]
    last = images.ndim == 4 and images.shape[3] in _CHANNELS
    first = images.ndim == 4 and images.shape[1] in _CHANNELS
    if first and last:
        raise InputError(
            expected,
            f"shape {images.shape}, where both the second and the last axis may be channels",
            "Resize the images, or pass a torch Dataset, which is taken as it is",
        )
    if not (first or last):
        raise InputError(
            expected,
            f"shape {images.shape}",
            "Check the axes, or pass a torch Dataset, which may have samples of any shape",
        )
    return images if last else np.moveaxis(images, 1, 3)


def to_uint8(images: NDArray[Any], what: str) -> Pixels:
    """Bring pixels to uint8: floats in 0..1 times 255, other numbers in 0..255, rounded.

    Raises:
        InputError: Pixels that are not finite, not numbers, or outside 0..255.
    """
    if images.dtype == np.uint8:
        return images
    if images.dtype == np.bool_:
        return images.astype(np.uint8) * np.uint8(255)
    floating = np.issubdtype(images.dtype, np.floating)
    if not (floating or np.issubdtype(images.dtype, np.integer)):
        raise InputError(f"numbers in {what}", f"type {images.dtype}", "Convert the pixels")
    if floating and not np.isfinite(images).all():
        bad = int(np.count_nonzero(~np.isfinite(images)))
        raise InputError(
            f"finite pixels in {what}",
            f"{bad} NaN or infinite values",
            "Drop or repair those images",
        )
    low, high = (images.min(), images.max()) if images.size else (0, 0)
    if low < 0 or high > 255:
        raise InputError(
            f"pixels in 0..1 or 0..255 in {what}",
            f"values from {low} to {high}",
            "Undo the normalisation, or pass a torch Dataset, which is taken as it is",
        )
    # One image after the other: a scaled float copy of all would be several times the result.
    scale = 255.0 if floating and high <= 1 else 1.0
    pixels = np.empty(images.shape, np.uint8)
    for image, target in zip(images, pixels, strict=True):
        target[...] = np.rint(image * scale) if floating else image
    return pixels
