"""From what the user passes to the data under check: as for a scan, with labels optional."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chaffinch.checks.subject import Subject
from chaffinch.checks.vectors import flat_arrays
from chaffinch.core.dataset import Dataset
from chaffinch.core.errors import InputError
from chaffinch.core.fault import Fault
from chaffinch.core.labels import Labels
from chaffinch.core.place import need_path
from chaffinch.data.array import read_npz
from chaffinch.data.arrow import frame_of, is_arrow_table
from chaffinch.data.audio import AudioData
from chaffinch.data.column import (
    SOFT_LABEL,
    WEIGHT,
    Columns,
    check_names,
    drop_split,
    need_name,
    usual_label,
)
from chaffinch.data.file import READERS, is_url, read_table, suffix_of
from chaffinch.data.folder import (
    FILE_NAMES,
    LABEL_TABLES,
    lists_files,
    of_files,
    open_listed,
)
from chaffinch.data.frame import open_frame
from chaffinch.data.huggingface import is_huggingface
from chaffinch.data.image import ImageData
from chaffinch.data.listing import is_hidden, medium_of
from chaffinch.data.opening import columns_of, open_data
from chaffinch.data.series import SeriesData
from chaffinch.data.table import TableData
from chaffinch.data.text import TextData

_NO_LABEL = "chaffinch_no_label"


@dataclass(frozen=True, eq=False)
class Opened:
    """One data set: its samples, and the columns beside them.

    Attributes:
        data: The samples.
        frame: All columns but label, id, text and file; None where there are none.
        split: (N,) name of the split of each row by a column of the data, if there is one.
        place: File of which the samples are rows, for people.
        ordered: Whether the order of the rows means anything.
    """

    data: Any
    frame: pd.DataFrame | None = None
    split: "pd.Series[Any] | None" = None
    place: str = ""
    ordered: bool = True


@dataclass(frozen=True)
class Wanted:
    """What the user said of columns, and the largest image that is read."""

    label: str | None = None
    id: str | None = None
    text: str | None = None
    split: str | None = None
    max_pixels: int | None = None
    series: str | None = None


def open_one(data: Any, wanted: Wanted) -> Opened:
    """Open one data set; one without a label column has no labels.

    Raises:
        InputError: Data that cannot be read; a named column that is not there.
    """
    if isinstance(data, str | os.PathLike):
        return _open_path(os.path.expanduser(os.fspath(data)), wanted)
    if isinstance(data, pd.DataFrame):
        return _open_frame(data, wanted, "DataFrame in memory")
    if not isinstance(data, Dataset) and is_arrow_table(data):
        return _open_frame(frame_of(data), wanted, "table in memory")
    if isinstance(data, Mapping) and not is_huggingface(data):
        return _with_frame(_opened(_labelled(dict(data), wanted), wanted), "arrays in memory")
    if isinstance(data, np.ndarray) or (isinstance(data, list) and len(data) != 2):
        return _with_frame(_opened((data, [None] * len(data)), wanted), "arrays in memory")
    if is_huggingface(data) and usual_label(list(data.column_names), wanted.label) is None:
        return _open_frame(data.to_pandas(), wanted, "Hugging Face data set")
    return _with_frame(_opened(data, wanted), "data in memory")


def gather(parts: Mapping[str, Opened], seed: int = 0) -> Subject:
    """Put one or several splits side by side.

    Args:
        parts: By name of the split; a single one may itself have a column of splits.
        seed: Decides every random choice.

    Raises:
        InputError: Splits of different kinds.
    """
    opened = list(parts.values())
    sets = [part.data for part in opened]
    kinds = {one.modality for one in sets}
    if len(kinds) > 1:
        raise InputError(
            "splits of one kind of data",
            " and ".join(sorted(kinds)),
            "Check that the right files and columns were chosen",
        )
    codes, names = _splits(parts)
    values = np.concatenate([np.asarray(one.labels.values, object) for one in sets])
    offsets = np.cumsum([0, *(len(one) for one in sets)])
    faults: dict[int, Fault] = {}
    for start, one in zip(offsets, sets, strict=False):
        known = getattr(one, "faults", {})
        place = {str(name): row for row, name in enumerate(one.ids)} if known else {}
        faults |= {int(start) + place[name]: fault for name, fault in known.items()}
    frames = [part.frame for part in opened if part.frame is not None]
    whole = len(frames) == len(opened)
    return Subject(
        ids=np.concatenate([np.asarray(one.ids, np.str_) for one in sets]),
        labels=Labels.of(values.tolist(), allow_missing=True),
        digests=[digest for one in sets for digest in one.digests],
        rows=np.concatenate([np.arange(len(one)) for one in sets]),
        sources=[source for part in opened for source in _sources(part)],
        modality=sets[0].modality,
        faults=faults,
        frame=pd.concat(frames, ignore_index=True) if whole else None,
        texts=_joined(sets, TextData, lambda one: one.texts),
        images=tuple(sets) if all(isinstance(one, ImageData) for one in sets) else None,
        sounds=tuple(sets) if all(isinstance(one, AudioData) for one in sets) else None,
        series=tuple(sets) if all(isinstance(one, SeriesData) for one in sets) else None,
        arrays=flat_arrays(sets),
        split=codes,
        split_names=names,
        ordered=all(part.ordered for part in opened),
        notes=tuple(note for one in sets for note in getattr(one, "notes", ())),
        seed=seed,
    )


def _splits(parts: Mapping[str, Opened]) -> tuple[Any, tuple[str, ...]]:
    if len(parts) > 1:
        sizes = [len(part.data) for part in parts.values()]
        return np.repeat(np.arange(len(parts)), sizes), tuple(parts)
    (only,) = parts.values()
    if only.split is None:
        return None, ()
    codes, names = pd.factorize(only.split.astype(object).where(only.split.notna(), None))
    return codes.astype(np.int64), tuple(map(str, names))


def _joined(sets: Sequence[Any], kind: type, part: Any) -> Any:
    if not all(isinstance(one, kind) for one in sets):
        return None
    return tuple(item for one in sets for item in part(one))


def _sources(part: Opened) -> list[str]:
    files = getattr(part.data, "files", None)
    if files is not None:
        return list(files)
    place = part.place or str(part.data.source)
    rows = getattr(part.data, "first_rows", None) or range(len(part.data))
    return [f"{place}:{row}" for row in rows]


def _open_path(path: str, wanted: Wanted) -> Opened:
    place = Path(path)
    if not is_url(path) and place.is_dir():
        return _open_folder(place, wanted)
    if not is_url(path) and not place.exists():
        raise need_path(path)
    if suffix_of(path) == ".npz":
        return _with_frame(_opened(_labelled(dict(read_npz(place)), wanted), wanted), place.name)
    if suffix_of(path) not in READERS:
        return _with_frame(_opened(path, wanted), place.name)  # which says what is expected
    frame = read_table(path, _columns(wanted))
    plain = wanted.text is None and wanted.series is None
    if plain and not is_url(path) and lists_files(frame):
        return _open_listed(frame, place.parent, wanted, place.name)
    return _open_frame(frame, wanted, place.name)


def _open_folder(root: Path, wanted: Wanted) -> Opened:
    table = next((root / name for name in LABEL_TABLES if (root / name).is_file()), None)
    if table is not None:
        return _open_listed(read_table(str(table), _columns(wanted)), root, wanted, str(table))
    try:
        return Opened(_opened(str(root), wanted), ordered=False)
    except InputError:
        every = [file for file in sorted(root.rglob("*")) if file.is_file() and not is_hidden(file)]
        readable = medium_of(every).readable()
        files = [file for file in every if file.suffix.lower() in readable]
        if not files or wanted.label is not None:
            raise
    labels = Labels.of([None] * len(files), allow_missing=True)
    opened = of_files(files, labels, source=str(root), max_pixels=wanted.max_pixels)
    return Opened(opened, ordered=False)


def _open_listed(frame: pd.DataFrame, root: Path, wanted: Wanted, source: str) -> Opened:
    frame = check_names(frame, source)
    columns, frame = _with_label(frame, wanted, source)
    images = open_listed(frame, root, columns, source, wanted.max_pixels)
    file = next(name for name in frame.columns if name.lower() in FILE_NAMES)
    beside, split = _beside(frame, [columns.label, columns.id, file], wanted, source)
    return Opened(images, beside, split)


def _open_frame(frame: pd.DataFrame, wanted: Wanted, source: str) -> Opened:
    columns, frame = _with_label(check_names(frame, source), wanted, source)
    if wanted.series is not None:
        return Opened(open_frame(frame, columns, source), place=source)
    splitting = _split_column(frame, wanted, source)
    samples = frame.drop(columns=[splitting] if splitting is not None else [])
    data = open_frame(samples, columns, source)
    used = [columns.label, columns.id]
    if isinstance(data, TextData):
        from chaffinch.data.column import choose_text

        features = drop_split(samples.drop(columns=[name for name in used if name in samples]))
        used += choose_text(features, columns.text, source)
    beside, split = _beside(frame, used, wanted, source)
    return Opened(data, beside, split, source)


def _beside(
    frame: pd.DataFrame, used: Sequence[str | None], wanted: Wanted, source: str
) -> tuple[pd.DataFrame | None, "pd.Series[Any] | None"]:
    """The columns that are not used otherwise, and that of the splits."""
    splitting = _split_column(frame, wanted, source)
    out = {*used, splitting, WEIGHT, SOFT_LABEL, _NO_LABEL}
    kept = frame[[name for name in frame.columns if name not in out]].reset_index(drop=True)
    split = None if splitting is None else frame[splitting].reset_index(drop=True)
    return (kept if len(kept.columns) else None), split


def _split_column(frame: pd.DataFrame, wanted: Wanted, source: str) -> str | None:
    if wanted.split is not None:
        return need_name(list(frame.columns), wanted.split, "split", source)
    left = set(drop_split(frame).columns)
    return next(
        (name for name in frame.columns if name not in left and name.lower() == "split"), None
    )


def _with_label(frame: pd.DataFrame, wanted: Wanted, source: str) -> tuple[Columns, pd.DataFrame]:
    """The columns to use, with one of missing labels where there is none of labels."""
    label = usual_label(list(frame.columns), wanted.label)
    if label is None and wanted.label is not None:
        need_name(list(frame.columns), wanted.label, "label", source)
    if label is None:
        label, frame = _NO_LABEL, frame.assign(**{_NO_LABEL: None})
    return Columns(label, wanted.id, wanted.text, series=wanted.series), frame


def _labelled(arrays: dict[str, Any], wanted: Wanted) -> dict[str, Any]:
    """A mapping of arrays, with missing labels where it has none."""
    from chaffinch.data.array import LABEL_KEYS

    if wanted.label is not None or any(key.lower() in LABEL_KEYS for key in arrays):
        return arrays
    count = len(next(iter(arrays.values()), []))
    return {**arrays, "label": [None] * count}


def _columns(wanted: Wanted) -> Columns:
    return columns_of(wanted.label, wanted.id, wanted.text, series=wanted.series)


def _opened(data: Any, wanted: Wanted) -> Any:
    return open_data(
        data,
        label=wanted.label,
        id_column=wanted.id,
        text_column=wanted.text,
        series=wanted.series,
        trainable=False,
        max_pixels=wanted.max_pixels,
    )


def _with_frame(data: Any, place: str) -> Opened:
    frame = data.frame if isinstance(data, TableData) else None
    return Opened(data, frame, None, place)
