"""Corruptions of images: uint8 of shape (n, H, W) or (n, H, W, C)."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chaffinch.corruptions.sample_corruption import sample_corruption

Pixels = NDArray[np.uint8]
_SHIFT = (0.15, 0.25, 0.35, 0.45, 0.6)  # of the full range, by severity; so below
_NOISE = (0.08, 0.14, 0.2, 0.3, 0.45)
_CONTRAST = (0.6, 0.45, 0.3, 0.2, 0.1)
_BLUR = (0.025, 0.04, 0.06, 0.09, 0.13)  # of the shorter side
_PERIOD = (9, 7, 5, 4, 3)  # pixels from stripe to stripe
_OCCLUDED = (0.2, 0.3, 0.4, 0.5, 0.65)  # of each side
_QUALITY = (30, 20, 12, 7, 3)  # of JPEG, out of 95


@sample_corruption("image")
def brightness(images: Pixels, severity: int, _random: np.random.Generator) -> Pixels:
    """Add a constant to all pixels, as an overexposed camera does."""
    return _pixels(images + np.float32(255 * _SHIFT[severity - 1]))


@sample_corruption("image")
def stripes(images: Pixels, severity: int, random: np.random.Generator) -> Pixels:
    """Lay white stripes over each image, lying or standing, two pixels wide."""
    changed = images.copy()
    period = _PERIOD[severity - 1]
    for image in changed:
        axis, offset = int(random.integers(2)), int(random.integers(period))
        lines = (np.arange(image.shape[axis]) + offset) % period < 2
        image[lines if axis == 0 else (slice(None), lines)] = 255
    return changed


@sample_corruption("image")
def gaussian_noise(images: Pixels, severity: int, random: np.random.Generator) -> Pixels:
    """Add independent Gaussian noise to every pixel and channel."""
    noise = random.standard_normal(images.shape, dtype=np.float32)
    return _pixels(images + np.float32(255 * _NOISE[severity - 1]) * noise)


@sample_corruption("image")
def blur(images: Pixels, severity: int, _random: np.random.Generator) -> Pixels:
    """Blur by a Gaussian whose width grows with the image."""
    from scipy.ndimage import gaussian_filter

    # On tiny images a share of the side is less than a pixel, and nothing would blur.
    width = max(_BLUR[severity - 1] * min(images.shape[1:3]), 0.3 + 0.2 * severity)
    widths = (0.0, width, width, 0.0)[: images.ndim]
    return _pixels(gaussian_filter(images.astype(np.float32), widths))


@sample_corruption("image")
def contrast(images: Pixels, severity: int, _random: np.random.Generator) -> Pixels:
    """Draw all pixels towards the mean of their image."""
    axes = tuple(range(1, images.ndim))
    mean = images.mean(axis=axes, keepdims=True, dtype=np.float32)
    return _pixels(mean + (images - mean) * np.float32(_CONTRAST[severity - 1]))


@sample_corruption("image")
def occlusion(images: Pixels, severity: int, random: np.random.Generator) -> Pixels:
    """Cover a part of each image, at a random place, with grey."""
    changed = images.copy()
    height, width = images.shape[1:3]
    high, wide = (max(1, round(_OCCLUDED[severity - 1] * side)) for side in (height, width))
    for image in changed:
        top, left = random.integers(height - high + 1), random.integers(width - wide + 1)
        image[top : top + high, left : left + wide] = 127
    return changed


@sample_corruption("image")
def jpeg(images: Pixels, severity: int, _random: np.random.Generator) -> Pixels:
    """Compress by JPEG at low quality and decompress; images of 1, 3 or no channels.

    Other numbers of channels are compressed channel by channel.
    """
    if images.ndim == 4 and images.shape[3] != 3:
        channels = [_jpeg(images[..., one], severity) for one in range(images.shape[3])]
        return np.stack(channels, axis=3)
    return _jpeg(images, severity)


def _jpeg(images: Pixels, severity: int) -> Pixels:
    from PIL import Image

    changed = np.empty_like(images)
    for place, image in enumerate(images):
        with io.BytesIO() as file:
            Image.fromarray(image).save(file, "JPEG", quality=_QUALITY[severity - 1])
            file.seek(0)
            with Image.open(file) as again:
                changed[place] = np.asarray(again)
    return changed


def _pixels(values: NDArray[Any]) -> Pixels:
    pixels: Pixels = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return pixels
