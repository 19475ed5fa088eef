"""Image files: their size without decoding them, and their pixels the right way up."""

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from chaffinch.core.identity import digest
from chaffinch.data.picture import Pixels, Span, fit

Encoded = Path | bytes
"""An image file, on disk or in memory."""

MAX_PIXELS = 40_000_000
"""Images of more pixels are not decoded unless the user asks for it."""

UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""What Pillow's decoders raise on a file that is no image or a damaged one."""

_ORIENTATION = 0x112
_LYING = range(5, 9)  # orientations in which width and height change places
_GRAY_MODES = ("1", "L", "LA", "La", "I", "F")


@dataclass(frozen=True)
class Header:
    """What is known of an image file without decoding it.

    Attributes:
        height: Of the image the right way up.
        width: Of the image the right way up.
        gray: Whether it has no colour.
        deep: Whether its pixels are of more than 8 bits.
    """

    height: int
    width: int
    gray: bool
    deep: bool


def content_digest(encoded: Encoded) -> str:
    """Hash of the bytes of an image file, of its path where it cannot be read."""
    try:
        return digest(encoded if isinstance(encoded, bytes) else encoded.read_bytes())
    except OSError:
        return digest(b"missing", str(encoded).encode("utf-8", "surrogatepass"))


def read_header(encoded: Encoded, max_pixels: int = MAX_PIXELS) -> Header:
    """Read the size and mode of an image file; raises one of `UNREADABLE`."""
    with _opened(encoded, max_pixels) as image:
        width, height = image.size
        if _lies(image):
            height, width = width, height
        deep = _is_deep(image)
        return Header(height, width, deep or image.mode in _GRAY_MODES, deep)


def read_raw(encoded: Encoded, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
    """The pixels of an image file, the right way up and as deep as they are.

    Returns:
        (H, W, C): C is 1, 3, or 4 where there is opacity; uint8, or where pixels are of more than
        8 bits uint16, int32 or float32 of one channel. Raises one of `UNREADABLE`.
    """
    with _opened(encoded, max_pixels) as image:
        upright = _upright(image)
        if _is_deep(upright):
            return _deep(upright)
        opaque = "A" not in upright.getbands() and "transparency" not in upright.info
        gray = upright.mode in _GRAY_MODES
        plain = _plain(upright, ("L" if gray else "RGB") if opaque else "RGBA")
        return plain if plain.ndim == 3 else plain[..., None]


def decode(
    encoded: Encoded,
    size: tuple[int, int] | None,
    channels: int,
    span: Span | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Pixels:
    """Decode one image file the right way up; raises one of `UNREADABLE`.

    Args:
        encoded: The file.
        size: (height, width) of the result; None for its own.
        channels: 1 (grey) or 3 (RGB); opacity is dropped.
        span: Values of deep pixels that become black and white. Where it is given the result is
            uint16, whatever the file, and where it is not, uint8.
        max_pixels: Larger images are refused.

    Returns:
        (H, W, channels) uint8, or uint16 where ``span`` is given.
    """
    with _opened(encoded, max_pixels) as image:
        if size is not None:
            # A JPEG much larger than wanted is decoded at a half, quarter or eighth of its size.
            wanted = size if _lies(image) else (size[1], size[0])
            image.draft("RGB" if channels == 3 else "L", wanted)
        upright = _upright(image)
        deep = _is_deep(upright)
        pixels = _deep(upright) if deep else _plain(upright, "RGB" if channels == 3 else "L")
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    return fit(pixels, size or pixels.shape[:2], channels, span)


@contextmanager
def _opened(encoded: Encoded, max_pixels: int) -> Iterator[Image.Image]:
    """An image file, refused by our own limit rather than that of Pillow."""
    if not isinstance(encoded, bytes) and not encoded.is_file():
        raise ValueError("no such file")
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None
    try:
        with (
            warnings.catch_warnings(action="ignore"),  # of odd metadata, which nothing hangs on
            Image.open(io.BytesIO(encoded) if isinstance(encoded, bytes) else encoded) as image,
        ):
            if image.width * image.height > max_pixels:
                raise ValueError(
                    f"{image.width:,} x {image.height:,} pixels are more than "
                    f"{max_pixels:,}; allow more with --max-pixels"
                )
            yield image
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _lies(image: Image.Image) -> bool:
    """Whether the orientation makes width and height change places."""
    if image.format == "TIFF":  # Pillow turns these itself
        return False
    if image.format == "PNG" and "exif" not in image.info:
        return False  # looking for it behind the pixels would decode them
    return image.getexif().get(_ORIENTATION, 1) in _LYING


def _upright(image: Image.Image) -> Image.Image:
    """The decoded image, turned as its orientation says."""
    image.load()
    turned = image.getexif().get(_ORIENTATION, 1) != 1
    return ImageOps.exif_transpose(image) if turned else image


def _is_deep(image: Image.Image) -> bool:
    return image.mode in ("I", "F") or image.mode.startswith("I;")


def _deep(image: Image.Image) -> NDArray[Any]:
    pixels = np.asarray(image)
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise ValueError("pixels that are NaN or infinite")
    return pixels.astype(pixels.dtype.newbyteorder("="))[..., None]


def _plain(image: Image.Image, mode: str) -> NDArray[np.uint8]:
    if image.mode in ("La", "RGBa"):  # premultiplied
        image = image.convert("LA" if image.mode == "La" else "RGBA")
    if "transparency" in image.info or image.mode == "PA":
        # Transparent palettes reach RGB without a warning by way of RGBA only.
        image = image.convert("RGBA")
    return np.asarray(image.convert(mode))
