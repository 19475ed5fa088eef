"""What images look like: size, brightness, sharpness, information, colour; each decoded once."""

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from PIL import Image

from chaffinch.core.fault import Fault
from chaffinch.core.kinds import UNREADABLE
from chaffinch.core.progress import track
from chaffinch.core.types import Floats
from chaffinch.data.image import ImageData
from chaffinch.data.image_file import UNREADABLE as DECODING_ERRORS
from chaffinch.data.image_file import Encoded, decode, read_header
from chaffinch.data.image_survey import reason_of
from chaffinch.data.picture import Span, fit, shallow

_WORKING_SIDE = 256
_THUMBNAIL = 16
_LEAST_SIDE = 16
_CHUNK = 250
_TRIAL = 2.0  # seconds in this process before others are thought of
_WORTH = 20.0  # seconds of work left that are worth starting processes for
_WEIGHTS = np.asarray([0.299, 0.587, 0.114], np.float32)

FIELDS = (
    *("height", "width", "mean", "low", "high", "entropy", "blur"),
    *("chroma", "colour", "r", "g", "b"),
)
"""What is measured of each image, in the order of the columns."""

Item = Encoded | NDArray[Any]
Measured = tuple[NDArray[np.float64], NDArray[np.uint8], dict[int, str]]


@dataclass(frozen=True, eq=False)
class ImageProperties:
    """Properties of N images.

    Attributes:
        values: (N, 12) the `FIELDS`; NaN where an image cannot be decoded. ``height`` and
            ``width`` in pixels; ``mean``, ``low`` and ``high`` are the mean and the 5th and 99th
            percentile of luminance, 0 black to 1 white; ``entropy`` of the luminance in bits, at
            most 8; ``blur`` as `blur_of`; ``chroma`` and ``colour`` the mean and the 99th
            percentile of the spread between the channels and ``r``, ``g``, ``b`` their means, 0
            to 1.
        thumbnails: (N, 16, 16, 3) uint8.
        faults: Why images cannot be decoded, by position.
    """

    values: NDArray[np.float64]
    thumbnails: NDArray[np.uint8]
    faults: Mapping[int, Fault]

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """(N,) one of the `FIELDS`."""
        return self.values[:, FIELDS.index(name)]

    @cached_property
    def vectors(self) -> Floats:
        """(N, 768) float32 thumbnails without mean brightness and contrast; zero where blank."""
        flat = self.thumbnails.reshape(len(self.thumbnails), -1).astype(np.float32) / 255
        flat -= flat.mean(axis=1, keepdims=True)
        norms = np.linalg.norm(flat, axis=1, keepdims=True)
        # Of a nearly blank image little but noise is left, which must not become its content.
        flat /= np.maximum(norms, 0.02 * np.sqrt(flat.shape[1]))
        return flat


def measure_images(parts: Sequence[ImageData]) -> ImageProperties:
    """Decode and measure the images of all parts, much work in several processes.

    Args:
        parts: The images; those with a fault are left out.
    """
    jobs: list[tuple[list[Item], Span | None, int]] = []
    for part in parts:
        store: Any = part.store
        names = map(str, part.ids)
        items = [b"" if name in part.faults else store[row] for row, name in enumerate(names)]
        jobs += [
            (items[start : start + _CHUNK], part.span, part.max_pixels)
            for start in range(0, len(items), _CHUNK)
        ]
    total = sum(len(job[0]) for job in jobs)
    found: list[Measured] = []
    with track("looking at images", total) as advance:
        for job, measured in zip(jobs, _run(jobs, total), strict=True):
            found.append(measured)
            advance(len(job[0]))
    faults: dict[int, Fault] = {}
    start = 0
    for values, _, broken in found:
        faults |= {start + row: Fault(UNREADABLE, reason) for row, reason in broken.items()}
        start += len(values)
    return ImageProperties(
        np.concatenate([values for values, _, _ in found]),
        np.concatenate([thumbnails for _, thumbnails, _ in found]),
        faults,
    )


def _run(jobs: Sequence[tuple[list[Item], Span | None, int]], total: int) -> Iterator[Measured]:
    jobs = list(jobs)
    began = time.perf_counter()
    while jobs and time.perf_counter() - began < _TRIAL:
        yield measure_chunk(*jobs.pop(0))
    workers = min(os.cpu_count() or 1, len(jobs))
    done = total - sum(len(job[0]) for job in jobs)
    spent = time.perf_counter() - began
    if workers < 2 or spent * (total - done) < _WORTH * done:
        yield from (measure_chunk(*job) for job in jobs)
        return
    # loky's processes do not import the user's main module again, as those of `spawn` would.
    pool = Parallel(n_jobs=workers, return_as="generator", backend="loky")
    yield from pool(delayed(measure_chunk)(*job) for job in jobs)


def measure_chunk(items: Sequence[Item], span: Span | None, max_pixels: int) -> Measured:
    """Measure some images.

    Returns:
        (n, 12) `FIELDS`, (n, 16, 16, 3) thumbnails, and why images could not be decoded.
    """
    values = np.full((len(items), len(FIELDS)), np.nan)
    thumbnails = np.zeros((len(items), _THUMBNAIL, _THUMBNAIL, 3), np.uint8)
    broken = {}
    for row, item in enumerate(items):
        try:
            size, pixels = _pixels(item, span, max_pixels)
        except DECODING_ERRORS as error:
            broken[row] = reason_of(error)
            continue
        values[row] = (*size, *measure(pixels))
        small = Image.fromarray(pixels).resize((_THUMBNAIL,) * 2, Image.Resampling.BOX)
        thumbnails[row] = np.asarray(small)
    return values, thumbnails, broken


def _pixels(
    item: Item, span: Span | None, max_pixels: int
) -> tuple[tuple[int, int], NDArray[np.uint8]]:
    """(height, width) of an image, and it in colour with sides of at most 256 pixels."""
    if isinstance(item, np.ndarray):
        size = item.shape[0], item.shape[1]
        return size, shallow(fit(item, _bounded(size), 3, span))
    content = item if isinstance(item, bytes) else item.read_bytes()
    header = read_header(content, max_pixels)
    size = header.height, header.width
    return size, shallow(decode(content, _bounded(size), 3, span, max_pixels))


def _bounded(size: tuple[int, int]) -> tuple[int, int]:
    scale = min(1.0, _WORKING_SIDE / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def measure(pixels: NDArray[np.uint8]) -> tuple[float, ...]:
    """The `FIELDS` after the first two of one (H, W, 3) image."""
    colours = pixels.astype(np.float32)
    gray = colours @ _WEIGHTS
    counts = np.bincount(np.rint(gray).astype(np.uint8).ravel(), minlength=256)
    shares = counts / counts.sum()
    # Whole numbers, so that a share of the pixels falls on the same one whatever the rounding.
    below, wanted = np.cumsum(counts), (-(-percent * gray.size // 100) for percent in (5, 99))
    low, high = (float(np.searchsorted(below, count)) / 255 for count in wanted)
    present = shares[shares > 0]
    entropy = max(0.0, float(-(present * np.log2(present)).sum()))
    spreads = np.bincount((pixels.max(axis=2) - pixels.min(axis=2)).ravel(), minlength=256)
    chroma = float(spreads @ np.arange(256)) / spreads.sum() / 255
    colour = float(np.searchsorted(np.cumsum(spreads), 0.99 * spreads.sum())) / 255
    means = (float(one) / 255 for one in colours.mean(axis=(0, 1)))
    mean = float(gray.mean()) / 255
    return mean, low, high, entropy, blur_of(gray), chroma, colour, *means


def blur_of(gray: NDArray[Any], width: int = 9) -> float:
    """How blurred an image is, 0 (sharp) to 1, by how little a further blur changes it.

    The share of the differences between neighbouring pixels that survives a uniform filter, the
    worse of the two directions. Crete, Dolmiere, Ladret and Nicolas, "The blur effect: perception
    and estimation with a new no-reference perceptual blur metric", 2007.

    Args:
        gray: (H, W) luminance.
        width: Of the filter, in pixels; narrower for images that are hardly larger.

    Returns:
        The blur; 0 for an image without differences or of fewer than 16 pixels a side.
    """
    if min(gray.shape) < _LEAST_SIDE:
        return 0.0
    image = gray.astype(np.float32, copy=False)
    return max(_blur_along(image, width), _blur_along(image.T, width))


def _blur_along(image: NDArray[np.float32], width: int) -> float:
    """The blur along the first axis."""
    reach = min(width, max(3, image.shape[0] // 4)) // 2
    size = 2 * reach + 1
    sums = np.cumsum(np.pad(image, ((reach + 1, reach), (0, 0)), mode="edge"), axis=0)
    smooth = (sums[size:] - sums[:-size]) / size
    sharp = np.abs(np.diff(image, axis=0))
    lost = np.maximum(0, sharp - np.abs(np.diff(smooth, axis=0)))
    total = float(sharp.sum())
    return 0.0 if total <= 0 else max(0.0, (total - float(lost.sum())) / total)
