"""What image files have in common, told without keeping their pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chaffinch.core.fault import Fault
from chaffinch.core.kinds import EMPTY, UNREADABLE
from chaffinch.core.progress import track
from chaffinch.data.image_file import UNREADABLE as DECODING_ERRORS
from chaffinch.data.image_file import (
    Encoded,
    Header,
    content_digest,
    read_header,
    read_raw,
)
from chaffinch.data.picture import Span, span_of

LARGEST_SIDE = 64
"""Images of different sizes are brought to the median side, but at most to this one."""


@dataclass(frozen=True)
class Survey:
    """What is known of N image files.

    Attributes:
        digests: (N,) hash of the bytes of each.
        shape: (H, W, C) that fits all that can be read, see `ImageData`.
        span: As in `ImageData`.
        faults: Why files cannot be read, by position.
    """

    digests: tuple[str, ...]
    shape: tuple[int, int, int]
    span: Span | None
    faults: dict[int, Fault]


def survey(files: Sequence[Encoded], max_pixels: int) -> Survey:
    """Look at image files; only those of more than 8 bits are decoded, for their span."""
    headers, faults = _read_headers(files, max_pixels)
    deep = [files[row] for row, header in headers.items() if header.deep]
    return Survey(
        tuple(content_digest(file) for file in files),
        _shape_of(list(headers.values())),
        _span_of_files(deep, max_pixels) if deep else None,
        faults,
    )


def reason_of(error: Exception) -> str:
    """What a decoder complained of, on one line and without what differs every time."""
    words = " ".join(str(error).split()) or type(error).__name__
    # Of bytes in memory, Pillow names the object that holds them.
    return words.partition(" <_io.")[0][:160]


def _read_headers(
    files: Sequence[Encoded], max_pixels: int
) -> tuple[dict[int, Header], dict[int, Fault]]:
    """By row, the headers of the files that have one, and what is wrong with the others."""
    headers: dict[int, Header] = {}
    broken: dict[int, Fault] = {}
    with track("reading images", len(files)) as advance:
        for row, file in enumerate(files):
            try:
                if not size_of(file):
                    broken[row] = Fault(EMPTY, "no content")
                else:
                    headers[row] = read_header(file, max_pixels)
            except DECODING_ERRORS as error:
                broken[row] = Fault(UNREADABLE, reason_of(error))
            advance()
    return headers, broken


def size_of(file: Encoded) -> int:
    """Bytes of a file; 1 for one that is missing, which is not empty."""
    if isinstance(file, bytes):
        return len(file)
    return file.stat().st_size if file.is_file() else 1


def _shape_of(headers: Sequence[Header]) -> tuple[int, int, int]:
    """The one size of all images, else a square of the median side; grey if all are."""
    channels = 1 if all(header.gray for header in headers) else 3
    sizes = {(header.height, header.width) for header in headers}
    if len(sizes) == 1:
        return (*sizes.pop(), channels)
    sides = [side for header in headers for side in (header.height, header.width)]
    side = min(LARGEST_SIDE, int(np.median(sides))) if sides else 1
    return side, side, channels


def _span_of_files(files: Sequence[Encoded], max_pixels: int) -> Span:
    """The least and the greatest value of all deep images that can be decoded."""
    ends: list[float] = []
    with track("reading deep images", len(files)) as advance:
        for file in files:
            try:
                pixels = read_raw(file, max_pixels)
                ends += [float(pixels.min()), float(pixels.max())]
            except DECODING_ERRORS:
                pass  # named when all are decoded
            advance()
    return span_of(min(ends, default=0.0), max(ends, default=1.0))
