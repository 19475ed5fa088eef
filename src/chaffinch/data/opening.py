"""One door for every kind of data."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeGuard

import pandas as pd
from PIL import Image
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import IterableDataset

from chaffinch.core.dataset import Dataset
from chaffinch.core.errors import InputError
from chaffinch.core.fault import Fault
from chaffinch.core.kinds import UNREADABLE
from chaffinch.core.labels import Labels
from chaffinch.core.option import options_checked
from chaffinch.core.place import need_path
from chaffinch.data.array import open_mapping, open_pair, read_npz
from chaffinch.data.arrow import frame_of, is_arrow_table
from chaffinch.data.column import Columns
from chaffinch.data.file import READERS, is_text_file, is_url, read_table, suffix_of
from chaffinch.data.folder import lists_files, open_folder, open_listed
from chaffinch.data.frame import open_frame, png_of
from chaffinch.data.huggingface import (
    is_huggingface,
    is_split_mapping,
    open_huggingface,
    refuse_splits,
)
from chaffinch.data.image import ImageData
from chaffinch.data.image_survey import reason_of
from chaffinch.data.own import is_own
from chaffinch.data.tensor import ITEM_ERRORS, TensorData
from chaffinch.data.usable import split_usable
from chaffinch.data.written import Written


@options_checked
def open_data(
    data: Any,
    *,
    label: object = None,
    id_column: object = None,
    text_column: object = None,
    group: object = None,
    series: object = None,
    trainable: bool = True,
    max_pixels: int | None = None,
    sep: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
) -> Dataset:
    """Open labelled data of any kind.

    Args:
        data: A path of a .csv, .tsv, .txt, .parquet, .arrow, .feather, .json, .jsonl or .npz file,
            or a URL of one of the tables; a folder ``root/class/name.png`` (or ``.wav``) or one
            with ``labels.csv``; a DataFrame of pandas or polars, a pyarrow Table, ``(X, y)``, a
            mapping of arrays, a Hugging Face or torch data set of (x, y); or a `Dataset`, which
            comes back as it is.
        label: Column (or key) of the labels; by default the only one of label, labels, y, target,
            class.
        id_column: Column of unique keys; by default ids are made from the content.
        text_column: Column of the text, or several with commas between them, joined by " [SEP] ".
            By default the data are text where exactly one column reads like it (not numbers, at
            least 20 characters on average, more than 80% of the cells different) and at most two
            further columns stand beside it; these are then left out, with a note. "none" for a
            table, whose encoder reads the text beside the other columns. A column ``split`` of
            words such as train and test is never a feature.
        group: Column (or key) of the source, annotator or time slice of each sample; no feature.
        series: Column that names the series of which each row is a step; the label is that of the
            series. True for arrays (N, T, F), which are images otherwise where all numbers are in
            0..255.
        trainable: Whether to refuse data of which a sample cannot be judged (unreadable, empty,
            without a label, the only one of its class) or with a single class. With False such
            samples are among the data: a missing label has the code -1, and the attribute
            ``faults`` says what else is wrong.
        max_pixels: Images of more pixels are taken for unreadable; 40 million by default.
        sep: The one character between the cells of a text file; found out by default.
        decimal: The decimal sign of its numbers, "." or ","; found out by default.
        encoding: Its encoding; found out by default.

    Returns:
        The data as `TableData`, `TextData`, `ImageData`, `AudioData`, `SeriesData` or
        `TensorData`; their
        ``notes`` say what was interpreted.

    Raises:
        InputError: Data that cannot be read or are not usable; the message says why.
        MissingExtraError: Sounds that need a reader which is not installed.
    """
    opened = _open(
        data,
        columns_of(label, id_column, text_column, sep, decimal, encoding, group, series),
        max_pixels,
    )
    if trainable:
        opened.labels.check_trainable(f"the labels of {opened.source}")
        split_usable(opened, examine=False)[1].refuse(opened.source)
    return opened


def columns_of(
    label: object = None,
    id_column: object = None,
    text_column: object = None,
    sep: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    group: object = None,
    series: object = None,
) -> Columns:
    """What the user said of columns and file; names of columns may be numbers.

    Raises:
        InputError: A separator, decimal sign or encoding that cannot be one.
    """
    label, key, text, apart, long = (
        None if name is None else str(name)
        for name in (label, id_column, text_column, group, series or None)
    )
    written = Written.of(sep, decimal, encoding)
    return Columns(label, key, text, written, group=apart, series=long)


def _open(data: Any, columns: Columns, max_pixels: int | None) -> Dataset:
    if _is_dataset(data):
        known = getattr(data, "groups", None)
        if columns.group is not None and (known is None or known.column != columns.group):
            Columns(group=columns.group).refuse("a data set that is open already")
        return data
    if isinstance(data, str | os.PathLike):
        return _open_path(os.fspath(data), columns, max_pixels)
    if isinstance(data, TableFile):
        return _open_table(data, columns, max_pixels)
    columns.refuse_written("data in memory")
    if isinstance(data, pd.DataFrame):
        return open_frame(data, columns, "DataFrame in memory")
    if is_split_mapping(data):
        raise refuse_splits(data)
    if isinstance(data, dict):
        return open_mapping(data, columns, "arrays in memory")
    if isinstance(data, tuple | list) and len(data) == 2:
        return open_pair(data[0], data[1], columns)
    if is_huggingface(data):
        return open_huggingface(data, columns)
    if isinstance(data, TorchDataset):
        return _open_torch(data, columns)
    if is_arrow_table(data):
        return open_frame(frame_of(data), columns, f"{type(data).__name__} in memory")
    raise InputError(
        "a path, a DataFrame, (X, y), a mapping of arrays, or a torch or Hugging Face data set",
        f"a {type(data).__name__}" + (f" of {len(data)}" if isinstance(data, tuple | list) else ""),
        "Pass the data in one of these forms",
    )


def _is_dataset(data: Any) -> TypeGuard[Dataset]:
    # Our own first: the check of the protocol looks at every property, some of which take long.
    return is_own(data) or isinstance(data, Dataset)


def _open_path(path: str, columns: Columns, max_pixels: int | None) -> Dataset:
    path = path if is_url(path) else os.path.expanduser(path)
    place = Path(path)
    if not is_url(path):
        if place.is_dir():
            return open_folder(place, columns, max_pixels)
        if not place.exists():
            raise need_path(path)
        if suffix_of(path) == ".npz":
            columns.refuse_written(f"the archive {place.name}")
            return open_mapping(read_npz(place), columns, place.name)
    return _open_table(read_table_file(path, columns), columns, max_pixels)


@dataclass(frozen=True, eq=False)
class TableFile:
    """A table file that has been read; `open_data` takes it in place of its path.

    Attributes:
        path: Where it lies.
        frame: (N, columns) its cells.
        notes: What was interpreted when it was read.
    """

    path: str
    frame: pd.DataFrame
    notes: tuple[str, ...]


def read_table_file(path: str, columns: Columns) -> TableFile:
    """Read a table file.

    Args:
        path: A path or a URL.
        columns: What the user said of its columns, and how the file is written.

    Raises:
        InputError: No table, or one that cannot be read.
    """
    if suffix_of(path) not in READERS:
        raise InputError(
            f"a folder or a file of type {', '.join([*READERS, '.npz'])}",
            repr(Path(path).name),
            "Convert it, or load it yourself and pass the DataFrame or arrays",
        )
    if not is_text_file(path):
        columns.refuse_written(f"a {suffix_of(path)} file")
    notes: list[str] = []
    frame = read_table(path, columns, notes)
    return TableFile(path, frame, tuple(notes))


def _open_table(table: TableFile, columns: Columns, max_pixels: int | None) -> Dataset:
    place = Path(table.path)
    plain = columns.text is None and columns.series is None
    if plain and not is_url(table.path) and lists_files(table.frame):
        listed = open_listed(table.frame, place.parent, columns, place.name, max_pixels)
        return _noted(listed, table.notes)
    return _noted(open_frame(table.frame, columns, place.name), table.notes)


def _noted(opened: Any, notes: tuple[str, ...]) -> Dataset:
    if notes and hasattr(opened, "notes"):
        opened = replace(opened, notes=(*notes, *opened.notes))
    made: Dataset = opened
    return made


def _open_torch(data: Any, columns: Columns) -> Dataset:
    columns.refuse(f"a torch {type(data).__name__}")
    if isinstance(data, IterableDataset) or not hasattr(data, "__len__") or not len(data):
        return TensorData.of_dataset(data)  # says what is wrong
    source, items, broken = f"torch {type(data).__name__}", {}, {}
    for row in range(len(data)):
        try:
            items[row] = data[row]
        except ITEM_ERRORS as error:
            broken[row] = Fault(UNREADABLE, reason_of(error))
        if items and not _is_picture(next(iter(items.values()))):
            return TensorData.of_dataset(data)
    known = getattr(data, "targets", None)  # as the data sets of torchvision have them
    lost = known if known is not None and len(known) == len(data) else [None] * len(data)
    given = [items[row][1] if row in items else lost[row] for row in range(len(data))]
    labels = Labels.of(given, f"the labels of {source}", allow_missing=True)
    pictures = [items[row][0] if row in items else None for row in range(len(data))]
    files = [png_of(one) if isinstance(one, Image.Image) else b"" for one in pictures]
    return ImageData.of_files(files, labels, source=source, broken=broken)


def _is_picture(item: Any) -> bool:
    return isinstance(item, tuple | list) and isinstance(item[0], Image.Image)
