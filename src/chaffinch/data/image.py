"""Images: arrays in memory, or files that are decoded when their pixels are asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self, final

import numpy as np
from numpy.typing import NDArray

from chaffinch.core.errors import InputError
from chaffinch.core.identity import digest, fingerprint, ids_from_digests
from chaffinch.core.labels import Labels
from chaffinch.core.progress import track
from chaffinch.core.types import Modality, Strings
from chaffinch.data.picture import (
    UNREADABLE,
    Encoded,
    Header,
    Pixels,
    channels_last,
    decode,
    read_header,
    resize,
    to_uint8,
)

LARGEST_SIDE = 64
"""Images of different sizes are brought to the median side, but at most to this one."""

_SHOWN_SIDE = 256


@final
@dataclass(frozen=True, eq=False)
class ImageData:
    """N labelled images. Build it with `of_arrays` or `of_files`, which check.

    Attributes:
        ids: (N,) unique ids.
        labels: The given labels.
        digests: (N,) hash of each image: of the uint8 pixels for arrays, of the bytes of the file
            for files (so a PNG and a JPEG of one picture differ).
        source: Where the images came from, for people.
        store: (N, H, W, C) uint8, or N files on disk or in memory.
        shape: (H, W, C) in which `pixels` gives the images by default; C is 1 where all of the
            images are grey, else 3. Parts made by `take` keep it.
    """

    ids: Strings
    labels: Labels
    digests: tuple[str, ...]
    source: str
    store: Pixels | tuple[Encoded, ...]
    shape: tuple[int, int, int]

    modality: ClassVar[Modality] = "image"

    @classmethod
    def of_arrays(
        cls,
        images: NDArray[Any],
        labels: Labels,
        *,
        ids: Strings | None = None,
        source: str = "images in memory",
    ) -> "ImageData":
        """Check images in memory and name them.

        Args:
            images: (N, H, W), (N, H, W, C) or (N, C, H, W), C in 1, 3, 4 (the fourth, opacity,
                is dropped); uint8, or other numbers all in 0..255, or floats all in 0..1.
            labels: The given labels.
            ids: (N,) unique ids; by default they are made from the content.
            source: Where the images came from, for people.

        Raises:
            InputError: Another shape or one that is ambiguous, pixels that are not finite or out
                of range, or more or fewer images than labels.
        """
        _check_length(len(images), labels, source)
        pixels = to_uint8(channels_last(np.asarray(images), source), source)
        pixels = np.ascontiguousarray(pixels[..., :3]).view()
        pixels.flags.writeable = False
        height, width, channels = pixels.shape[1:]
        form = repr((height, width, channels)).encode()
        digests = tuple(digest(form, image.tobytes()) for image in pixels)
        named = ids_from_digests(digests) if ids is None else ids
        return cls(named, labels, digests, source, pixels, (height, width, channels))

    @classmethod
    def of_files(
        cls,
        files: Sequence[Encoded],
        labels: Labels,
        *,
        ids: Strings | None = None,
        source: str = "image files",
    ) -> "ImageData":
        """Check image files and name them; their pixels are decoded later.

        Args:
            files: N paths, or the content of N files.
            labels: The given labels.
            ids: (N,) unique ids; by default they are made from the content.
            source: Where the images came from, for people.

        Raises:
            InputError: A file that cannot be read, or more or fewer files than labels.
        """
        _check_length(len(files), labels, source)
        headers = _read_headers(files, source)
        sizes = {(header.height, header.width) for header in headers}
        if len(sizes) == 1:
            height, width = sizes.pop()
        else:
            sides = [side for header in headers for side in (header.height, header.width)]
            height = width = min(LARGEST_SIDE, int(np.median(sides)))
        channels = 1 if all(header.gray for header in headers) else 3
        digests = tuple(header.digest for header in headers)
        named = ids_from_digests(digests) if ids is None else ids
        return cls(named, labels, digests, source, tuple(files), (height, width, channels))

    @cached_property
    def fingerprint(self) -> str:
        """Hash of ids, contents and labels of the whole set, whatever the order."""
        return fingerprint(self.ids, self.digests, self.labels.values)

    @property
    def files(self) -> tuple[str, ...] | None:
        """(N,) paths of the images; None where they do not come from files on disk."""
        if isinstance(self.store, np.ndarray):
            return None
        paths = tuple(str(file) for file in self.store if isinstance(file, Path))
        return paths if len(paths) == len(self) else None

    def __len__(self) -> int:
        return len(self.ids)

    def pixels(
        self, size: int | tuple[int, int] | None = None, *, channels: int | None = None
    ) -> Pixels:
        """Decode and resize all images; the aspect ratio of odd ones is not kept.

        Args:
            size: Side, or height and width; by default those of `shape`: their own where all are
                of one size, else the median side, at most `LARGEST_SIDE`.
            channels: 1 (grey) or 3 (RGB); by default that of `shape`.

        Returns:
            (N, H, W, C) uint8; not to be written to.

        Raises:
            InputError: A damaged file.
        """
        height, width = (
            (size, size) if isinstance(size, int | np.integer) else size or self.shape[:2]
        )
        channels = channels or self.shape[2]
        if isinstance(self.store, np.ndarray) and self.shape == (height, width, channels):
            return self.store
        pixels = np.empty((len(self), height, width, channels), np.uint8)
        with track("decoding images", len(self)) as advance:
            for row in range(len(self)):
                pixels[row] = self._decode(row, (height, width), channels)
                advance()
        return pixels

    def take(self, index: NDArray[Any]) -> Self:
        """The samples at the positions ``index`` (or where a mask is true), in that order."""
        rows = np.arange(len(self))[index]
        array = isinstance(self.store, np.ndarray)
        return replace(
            self,
            ids=self.ids[rows],
            labels=self.labels.take(rows),
            digests=tuple(self.digests[row] for row in rows),
            store=self.store[rows] if array else tuple(self.store[row] for row in rows),
        )

    def show(self, position: int) -> Mapping[str, Any]:
        """The image, as ``{"image": (H, W, 3) uint8}``, with sides of at most 256 pixels."""
        if isinstance(self.store, np.ndarray):
            height, width = self.shape[:2]
        else:
            header = _read_headers([self.store[position]], self.source)[0]
            height, width = header.height, header.width
        scale = min(1.0, _SHOWN_SIDE / max(height, width))
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        return {"image": self._decode(position, size, 3)}

    def _decode(self, row: int, size: tuple[int, int], channels: int) -> Pixels:
        if isinstance(self.store, np.ndarray):
            return resize(self.store[row], size, channels)
        try:
            return decode(self.store[row], size, channels)
        except UNREADABLE as error:
            raise _unreadable([(_name(self.store[row], row), error)], 1, self.source) from error


def _read_headers(files: Sequence[Encoded], source: str) -> list[Header]:
    headers: list[Header] = []
    bad: list[tuple[str, Exception]] = []
    with track("reading images", len(files)) as advance:
        for row, file in enumerate(files):
            try:
                headers.append(read_header(file))
            except UNREADABLE as error:
                bad.append((_name(file, row), error))
            advance()
    if bad:
        raise _unreadable(bad, len(files), source)
    return headers


def _unreadable(bad: list[tuple[str, Exception]], total: int, source: str) -> InputError:
    name, error = bad[0]
    count = f"{len(bad)} of {total} that cannot be read, the first " if len(bad) > 1 else ""
    reason = " ".join(str(error).split())[:120]
    return InputError(
        f"readable images in {source}", f"{count}{name} ({reason})", "Remove or replace it"
    )


def _name(file: Encoded, row: int) -> str:
    return f"row {row}" if isinstance(file, bytes) else repr(str(file))


def _check_length(length: int, labels: Labels, source: str) -> None:
    if length != len(labels):
        raise InputError(
            f"as many images as labels ({len(labels)}) in {source}",
            f"{length} images",
            "Pass images and labels of the same samples",
        )
