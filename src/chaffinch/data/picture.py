"""Pixels: arrays of any type, what of their range is kept, and other sizes of them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chaffinch.core.errors import InputError

Pixels = NDArray[np.uint8] | NDArray[np.uint16]
"""Black is 0; white is 255 for uint8 and 65535 for uint16, which holds what has more than 8 bits.
"""

Span = tuple[float, float]
"""The values of deep pixels that become black and white."""

_CHANNELS = (1, 3, 4)
_WHITE = 65535


def span_of(low: float, high: float) -> Span:
    """The span of deep pixels whose least and greatest values in the whole set are known."""
    return float(low), float(high) if high > low else float(low) + 1


def deepened(images: NDArray[Any], span: Span | None) -> Pixels:
    """Pixels as uint16 where there is a span, else as they are.

    The ends of the span are black and white, and what lies outside is cut off. Bytes among deeper
    images have a span of their own.
    """
    if span is None:
        return images
    if images.dtype == np.uint8:
        return images.astype(np.uint16) * np.uint16(257)
    low, high = span
    made = np.empty(images.shape, np.uint16)
    for image, target in zip(images, made, strict=True):  # not a float copy of all at once
        shares = (image.astype(np.float64) - low) / (high - low)
        target[...] = np.rint(np.clip(shares, 0, 1) * _WHITE)
    return made


def shallow(pixels: Pixels) -> NDArray[np.uint8]:
    """Pixels as bytes, for people."""
    if pixels.dtype == np.uint8:
        return pixels.astype(np.uint8, copy=False)
    return np.rint(pixels / 257).astype(np.uint8)


def fit(
    pixels: NDArray[Any], size: tuple[int, int], channels: int, span: Span | None = None
) -> Pixels:
    """Bring one (H, W, 1 or 3) image to ``size`` (height, width) and 1 or 3 channels.

    Returns:
        (height, width, channels) uint8, or uint16 where there is a span.
    """
    if span is None:
        return _resize(_with_channels(pixels, channels), size)
    deep = _with_channels(deepened(pixels, span), channels)
    if deep.shape[:2] == size:
        return deep
    layers = [_smaller(deep[..., one].astype(np.float32), size) for one in range(channels)]
    stacked: NDArray[Any] = np.rint(np.stack(layers, axis=2))
    return stacked.astype(np.uint16)


def _with_channels(pixels: NDArray[Any], channels: int) -> NDArray[Any]:
    if pixels.shape[2] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=2)
    if pixels.dtype == np.uint8:
        return np.asarray(Image.fromarray(pixels).convert("L"))[..., None]
    gray: NDArray[Any] = np.rint(pixels @ np.asarray([0.299, 0.587, 0.114]))
    return gray[..., None].astype(pixels.dtype)


def _resize(pixels: NDArray[Any], size: tuple[int, int]) -> NDArray[np.uint8]:
    if pixels.shape[:2] == size:
        return pixels
    small = _smaller(pixels[..., 0] if pixels.shape[2] == 1 else pixels, size)
    return small[..., None] if small.ndim == 2 else small


def _smaller(pixels: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    image = Image.fromarray(pixels)
    return np.asarray(image.resize((size[1], size[0]), Image.Resampling.BILINEAR))


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


def finite_rows(images: NDArray[Any]) -> NDArray[np.bool_]:
    """(N,) which images hold neither NaN nor infinite values."""
    if images.dtype.kind not in "fc":
        return np.ones(len(images), np.bool_)
    return np.asarray([bool(np.isfinite(image).all()) for image in images], np.bool_)


def is_deep(images: NDArray[Any]) -> bool:
    """Whether whole numbers need more than 8 bits."""
    if images.dtype == np.uint8 or images.dtype.kind not in "iu" or not images.size:
        return False
    return bool(images.min() < 0 or images.max() > 255)


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
