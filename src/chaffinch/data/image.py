"""Images: arrays in memory, or files that are decoded when their pixels are asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self, final

import numpy as np
from numpy.typing import NDArray

from chaffinch.core.errors import InputError
from chaffinch.core.fault import Fault
from chaffinch.core.identity import digest, fingerprint, ids_from_digests
from chaffinch.core.kinds import UNREADABLE
from chaffinch.core.labels import Labels
from chaffinch.core.progress import track
from chaffinch.core.sample_groups import SampleGroups
from chaffinch.core.types import Modality, Strings
from chaffinch.data.image_file import MAX_PIXELS, Encoded, decode, read_header
from chaffinch.data.image_file import UNREADABLE as DECODING_ERRORS
from chaffinch.data.image_survey import reason_of, survey
from chaffinch.data.picture import (
    Pixels,
    Span,
    channels_last,
    deepened,
    finite_rows,
    fit,
    is_deep,
    shallow,
    span_of,
    to_uint8,
)

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
        store: (N, H, W, C) uint8 or deeper whole numbers, or N files on disk or in memory.
        shape: (H, W, C) in which `pixels` gives the images by default; C is 1 where all of the
            images are grey, else 3. Parts made by `take` keep it.
        span: The least and the greatest value where pixels have more than 8 bits: these are black
            and white. None where all have 8. Parts made by `take` keep it.
        faults: Why images cannot be used, by id; `examined` finds those that do not decode.
        notes: What the reader should know, such as which files were left out.
        max_pixels: Images of more pixels than this are not decoded.
        groups: Source, annotator or time slice of each sample, where a column was named.
    """

    ids: Strings
    labels: Labels
    digests: tuple[str, ...]
    source: str
    store: NDArray[Any] | tuple[Encoded, ...]
    shape: tuple[int, int, int]
    span: Span | None = None
    faults: Mapping[str, Fault] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    max_pixels: int = MAX_PIXELS
    groups: SampleGroups | None = None
    _decoded: list[Pixels] = field(default_factory=list, repr=False)

    modality: ClassVar[Modality] = "image"

    @classmethod
    def of_arrays(
        cls,
        images: NDArray[Any],
        labels: Labels,
        *,
        ids: Strings | None = None,
        source: str = "images in memory",
        span: Span | None = None,
    ) -> "ImageData":
        """Check images in memory and name them.

        Args:
            images: (N, H, W), (N, H, W, C) or (N, C, H, W), C in 1, 3, 4 (the fourth, opacity,
                is dropped); uint8, or other numbers all in 0..255, or floats all in 0..1, or whole
                numbers of more bits, whose range is kept. An image with NaN or infinite values is
                one of the `faults`.
            labels: The given labels.
            ids: (N,) unique ids; by default they are made from the content.
            source: Where the images came from, for people.
            span: Black and white of whole numbers of more than 8 bits; by default the least and
                the greatest of them.

        Raises:
            InputError: Another shape or one that is ambiguous, pixels out of range or none that
                are finite, or more or fewer images than labels.
        """
        _check_length(len(images), labels, source)
        values = channels_last(np.asarray(images), source)
        finite = finite_rows(values)
        if not finite.all() and finite.any():
            values = np.where(finite[:, None, None, None], values, values.dtype.type(0))
        if span is not None or is_deep(values):
            span, pixels = span or span_of(values.min(), values.max()), values
        else:
            pixels = to_uint8(values, source)
        pixels = np.ascontiguousarray(pixels[..., :3]).view()
        pixels.flags.writeable = False
        height, width, channels = pixels.shape[1:]
        form = repr((height, width, channels)).encode()
        digests = tuple(digest(form, image.tobytes()) for image in pixels)
        named = ids_from_digests(digests) if ids is None else ids
        broken = Fault(UNREADABLE, "pixels that are NaN or infinite")
        faults = {str(named[row]): broken for row in np.flatnonzero(~finite)}
        shape = (height, width, channels)
        return cls(named, labels, digests, source, pixels, shape, span, faults)

    @classmethod
    def of_files(
        cls,
        files: Sequence[Encoded],
        labels: Labels,
        *,
        ids: Strings | None = None,
        source: str = "image files",
        max_pixels: int | None = None,
        broken: Mapping[int, Fault] | None = None,
    ) -> "ImageData":
        """Check image files and name them; their pixels are decoded later.

        Args:
            files: N paths, or the content of N files; no content stands for no image.
            labels: The given labels.
            ids: (N,) unique ids; by default they are made from the content.
            source: Where the images came from, for people.
            max_pixels: Images of more pixels are taken for unreadable; 40 million by default.
            broken: What is known to be wrong with files, by position.

        Raises:
            InputError: No file that can be read, or more or fewer files than labels.
        """
        _check_length(len(files), labels, source)
        most = max_pixels or MAX_PIXELS
        found = survey(files, most)
        faults = {**found.faults, **(broken or {})}
        if files and len(faults) == len(files):
            raise _unreadable([(_name(files[row], row), faults[row]) for row in faults], source)
        named = ids_from_digests(found.digests) if ids is None else ids
        by_id = {str(named[row]): fault for row, fault in faults.items()}
        return cls(
            named,
            labels,
            found.digests,
            source,
            tuple(files),
            found.shape,
            found.span,
            by_id,
            max_pixels=most,
        )

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
            (N, H, W, C) uint8, or uint16 where there is a `span`; not to be written to.

        Raises:
            InputError: A damaged file.
        """
        height, width = (
            (size, size) if isinstance(size, int | np.integer) else size or self.shape[:2]
        )
        channels = channels or self.shape[2]
        if self.shape == (height, width, channels):
            if self._decoded:
                return self._decoded.pop()
            if isinstance(self.store, np.ndarray):
                return deepened(self.store, self.span)
        pixels = self._blank((height, width, channels))
        with track("decoding images", len(self)) as advance:
            for row in range(len(self)):
                pixels[row] = self._decode(row, (height, width), channels)
                advance()
        return pixels

    def examined(self) -> Self:
        """The same images with those that do not decode among the `faults`.

        What was decoded is kept until `pixels` is asked for it once.
        """
        if isinstance(self.store, np.ndarray):
            return self
        faults = dict(self.faults)
        pixels = self._blank(self.shape)
        with track("decoding images", len(self)) as advance:
            for row, name in enumerate(map(str, self.ids)):
                if name not in faults:
                    try:
                        pixels[row] = decode(
                            self.store[row],
                            self.shape[:2],
                            self.shape[2],
                            self.span,
                            self.max_pixels,
                        )
                    except DECODING_ERRORS as error:
                        faults[name] = Fault(UNREADABLE, reason_of(error))
                advance()
        return replace(self, faults=faults, _decoded=[pixels])

    def take(self, index: NDArray[Any]) -> Self:
        """The samples at the positions ``index`` (or where a mask is true), in that order."""
        rows = np.arange(len(self))[index]
        array = isinstance(self.store, np.ndarray)
        return replace(
            self,
            ids=self.ids[rows],
            labels=self.labels.take(rows),
            groups=None if self.groups is None else self.groups.take(rows),
            digests=tuple(self.digests[row] for row in rows),
            store=self.store[rows] if array else tuple(self.store[row] for row in rows),
            _decoded=[pixels[rows] for pixels in self._decoded],
        )

    def show(self, position: int) -> Mapping[str, Any]:
        """The image, as ``{"image": (H, W, 3) uint8}``, with sides of at most 256 pixels.

        One that cannot be used gives ``{"file": ..., "problem": ...}``.
        """
        fault = self.faults.get(str(self.ids[position]))
        if fault is not None:
            return self._problem(position, fault.reason)
        if isinstance(self.store, np.ndarray):
            height, width = self.shape[:2]
        else:
            try:
                header = read_header(self.store[position], self.max_pixels)
            except DECODING_ERRORS as error:  # it has gone, or changed, since the data were opened
                return self._problem(position, reason_of(error))
            height, width = header.height, header.width
        scale = min(1.0, _SHOWN_SIDE / max(height, width))
        size = (max(1, round(height * scale)), max(1, round(width * scale)))
        try:
            return {"image": shallow(self._decode(position, size, 3))}
        except InputError as error:
            return self._problem(position, error.got)

    def _problem(self, position: int, reason: str) -> Mapping[str, Any]:
        stored: Any = self.store[position]
        return {"file": str(stored) if isinstance(stored, Path) else "", "problem": reason}

    def _blank(self, shape: tuple[int, int, int]) -> Pixels:
        wanted = (len(self), *shape)
        return np.zeros(wanted, np.uint8) if self.span is None else np.zeros(wanted, np.uint16)

    def _decode(self, row: int, size: tuple[int, int], channels: int) -> Pixels:
        if isinstance(self.store, np.ndarray):
            return fit(self.store[row], size, channels, self.span)
        try:
            return decode(self.store[row], size, channels, self.span, self.max_pixels)
        except DECODING_ERRORS as error:
            broken = Fault(UNREADABLE, reason_of(error))
            raise _unreadable([(_name(self.store[row], row), broken)], self.source) from error


def _unreadable(bad: Sequence[tuple[str, Fault]], source: str) -> InputError:
    name, fault = bad[0]
    count = f"{len(bad)} that cannot be read, the first " if len(bad) > 1 else ""
    return InputError(
        f"readable images in {source}", f"{count}{name} ({fault.reason})", "Remove or replace it"
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
