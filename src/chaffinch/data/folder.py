"""Folders of images: one subfolder a class, or a flat folder with a table of labels."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from chaffinch.core.errors import InputError
from chaffinch.data.column import Columns, choose_label, few, need_name, read_ids, read_labels
from chaffinch.data.file import read_table
from chaffinch.data.image import ImageData
from chaffinch.data.picture import SUFFIXES

LABEL_TABLES = ("labels.csv", "labels.tsv", "labels.parquet", "labels.jsonl", "metadata.csv")
"""Files in a folder that are taken for its table of labels, the first that is there."""

FILE_NAMES = ("file", "filename", "file_name", "image", "path", "name")
"""Columns that are taken for the name of the file, in upper or lower case."""


def open_folder(root: Path, columns: Columns) -> ImageData:
    """Open ``root/class/name.png``, or ``root/labels.csv`` with files beside it.

    The id column may be a column of the table; ``file``, the path below ``root``, is always there.

    Raises:
        InputError: No images, images in deeper folders, a file in the table that is not there, or
            any reason for which labels, ids or images are refused.
    """
    if columns.text is not None:
        Columns(text=columns.text).refuse(f"the folder {root}")
    table = next((root / name for name in LABEL_TABLES if (root / name).is_file()), None)
    if table is not None:
        frame = read_table(str(table), columns)
        return open_listed(frame, root, columns, str(table))
    if columns.label is not None:
        raise InputError(
            f"a table of labels in {root} (such as labels.csv) for the label {columns.label!r}",
            "none, so the subfolders are the classes",
            "Leave the label out, or add the table",
        )
    rows = [
        (f"{folder.name}/{file.name}", folder.name)
        for folder in sorted(path for path in root.iterdir() if path.is_dir())
        for file in _images(folder)
    ]
    if not rows:
        raise _no_images(root)
    deeper = _deeper(root)
    if deeper is not None:  # it would be left out without a word
        raise InputError(
            f"images in {root}/CLASS/ alone",
            f"others in deeper folders ({deeper.parent})",
            "Move them up, or list all files in labels.csv with columns file,label",
        )
    _check_names(name for name, _ in rows)
    frame = pd.DataFrame(rows, columns=["file", "label"])
    return open_listed(frame, root, Columns("label", columns.id), str(root))


def lists_images(frame: pd.DataFrame) -> bool:
    """Whether a table is a table of labels: a column of image file names under a usual name."""
    name = next((name for name in frame.columns if str(name).lower() in FILE_NAMES), None)
    if name is None or not len(frame):
        return False
    return all(isinstance(cell, str) and _is_image(Path(cell)) for cell in frame[name])


def open_listed(frame: pd.DataFrame, root: Path, columns: Columns, source: str) -> ImageData:
    """Open the images that a table of labels lists.

    Args:
        frame: One row an image, with a column for the file and one for the label.
        root: Folder below which the files lie.
        columns: The label and id columns.
        source: Where the table came from, for people.

    Raises:
        InputError: No column with file names, a file that is not there, or any reason for which
            labels, ids or images are refused.
    """
    names = [str(name) for name in frame.columns]
    if not len(frame):
        raise InputError(f"at least one row in {source}", "none", "Check the data")
    found = [name for name in names if name.lower() in FILE_NAMES and name != columns.label]
    if not found:
        raise InputError(
            f"a column of file names in {source} (one of {', '.join(FILE_NAMES)})",
            f"the columns {few(names)}",
            "Rename the column",
        )
    label = choose_label(names, columns.label, source)
    labels = read_labels(frame[label], label)
    ids = None
    if columns.id is not None:
        ids = read_ids(frame[need_name(names, columns.id, "id", source)], columns.id)
    files = [_path(root, cell) for cell in frame[found[0]]]
    missing = [file for file in files if not file.is_file()]
    if missing:
        raise InputError(
            f"every file that {source} lists",
            f"{len(missing)} of {len(files)} not there, such as {str(missing[0])!r}",
            "Give paths relative to the folder of the table, with their ending",
        )
    return ImageData.of_files(files, labels, ids=ids, source=source)


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                "file names in UTF-8, as they become ids",
                repr(name.encode(errors="surrogateescape")),
                "Rename the file, such as by convmv",
            ) from error


def _path(root: Path, cell: Any) -> Path:
    return root / str(cell)


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".")


def _images(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if _is_image(file) and file.is_file())


def _deeper(root: Path) -> Path | None:
    """The first image in a folder below those of the classes."""
    shown = (file for file in sorted(root.glob("*/*/*")) if not file.parent.name.startswith("."))
    return next((file for file in shown if _is_image(file)), None)


def _no_images(root: Path) -> InputError:
    deeper = _deeper(root)
    if deeper is not None:
        got, remedy = f"images in deeper folders ({deeper.parent})", f"Pass {deeper.parent.parent}"
    elif _images(root):
        got = "images without classes"
        remedy = "Sort them into one folder a class, or add labels.csv with columns file,label"
    else:
        got, remedy = "none", f"Check the path; endings known are {', '.join(sorted(SUFFIXES))}"
    return InputError(f"images in {root}/CLASS/", got, remedy)
