"""Folders of images: one subfolder a class, or a flat folder with a table of labels."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pandas as pd

from chaffinch.core.errors import InputError
from chaffinch.data.column import (
    Columns,
    choose_label,
    few,
    need_name,
    read_groups,
    read_ids,
    read_labels,
)
from chaffinch.data.file import read_table
from chaffinch.data.image import ImageData
from chaffinch.data.listing import (
    deeper_image,
    is_image,
    left_out_note,
    readable_suffixes,
    visible,
)

LABEL_TABLES = ("labels.csv", "labels.tsv", "labels.parquet", "labels.jsonl", "metadata.csv")
"""Files in a folder that are taken for its table of labels; the first that exists is used."""

FILE_NAMES = ("file", "filename", "file_name", "image", "path", "name")
"""Columns that are taken for the name of the file, in upper or lower case."""


def open_folder(root: Path, columns: Columns, max_pixels: int | None = None) -> ImageData:
    """Open ``root/class/name.png``, or ``root/labels.csv`` with files beside it.

    The id column may be a column of the table; ``file``, the path below ``root``, is always there.
    Hidden files and folders, and those that tools make, are passed over; a note counts other files
    that are no images.

    Raises:
        InputError: No images, images in deeper folders, a file in the table that is not there, or
            any reason for which labels, ids or images are refused.
    """
    if columns.text is not None:
        Columns(text=columns.text).refuse(f"the folder {root}")
    table = next((root / name for name in LABEL_TABLES if (root / name).is_file()), None)
    if table is not None:
        frame = read_table(str(table), columns)
        return open_listed(frame, root, columns, str(table), max_pixels)
    if columns.label is not None:
        raise InputError(
            f"a table of labels in {root} (such as labels.csv) for the label {columns.label!r}",
            "none, so the subfolders are the classes",
            "Leave the label out, or add the table",
        )
    readable = readable_suffixes()
    entries = visible(root)
    inside = [(folder, file) for folder in entries if folder.is_dir() for file in _files(folder)]
    rows = [
        (f"{folder.name}/{file.name}", folder.name)
        for folder, file in inside
        if file.suffix.lower() in readable
    ]
    if not rows:
        raise _no_images(root)
    deeper = deeper_image(root)
    if deeper is not None:  # it would be left out without a word
        raise InputError(
            f"images in {root}/CLASS/ alone",
            f"others in deeper folders ({deeper.parent})",
            "Move them up, or list all files in labels.csv with columns file,label",
        )
    _check_names(name for name, _ in rows)
    notes = left_out_note(file for _, file in inside if file.suffix.lower() not in readable)
    beside = [file for file in entries if is_image(file) and file.is_file()]
    if beside:
        named = f"{len(beside):,} images beside the folders of classes, such as {beside[0].name!r}"
        notes += (f"{named}, were left out.",)
    frame = pd.DataFrame(rows, columns=["file", "label"])
    opened = open_listed(
        frame, root, Columns("label", columns.id, group=columns.group), str(root), max_pixels
    )
    return replace(opened, notes=notes)


def lists_images(frame: pd.DataFrame) -> bool:
    """Whether a table is a table of labels: a column of image file names under a usual name."""
    name = next((name for name in frame.columns if str(name).lower() in FILE_NAMES), None)
    if name is None or not len(frame):
        return False
    cells = frame[name].dropna()
    return bool(len(cells)) and all(
        isinstance(cell, str) and is_image(Path(cell)) for cell in cells
    )


def open_listed(
    frame: pd.DataFrame, root: Path, columns: Columns, source: str, max_pixels: int | None = None
) -> ImageData:
    """Open the images that a table of labels lists.

    Args:
        frame: One row an image, with a column for the file and one for the label.
        root: Folder below which the files lie.
        columns: The label, id and group columns.
        source: Where the table came from, for people.
        max_pixels: As for `ImageData.of_files`.

    Raises:
        InputError: No column with file names, no existing file, or any reason for which
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
    files = [root / ("" if pd.isna(cell) else str(cell)) for cell in frame[found[0]]]
    if not any(file.is_file() for file in files):
        raise InputError(
            f"the files that {source} lists",
            f"{len(files)} of {len(files)} not there, such as {str(files[0])!r}",
            "Give paths relative to the folder of the table, with their ending",
        )
    groups = read_groups(frame, columns.group, label, source)
    opened = ImageData.of_files(files, labels, ids=ids, source=source, max_pixels=max_pixels)
    return replace(opened, groups=groups)


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


def _files(folder: Path) -> list[Path]:
    return [path for path in visible(folder) if path.is_file()]


def _no_images(root: Path) -> InputError:
    deeper = deeper_image(root)
    if deeper is not None:
        got, remedy = f"images in deeper folders ({deeper.parent})", f"Pass {deeper.parent.parent}"
    elif any(is_image(file) for file in _files(root)):
        got = "images without classes"
        remedy = "Sort them into one folder a class, or add labels.csv with columns file,label"
    else:
        known = ", ".join(sorted(readable_suffixes()))
        got, remedy = "none", f"Check the path; endings known are {known}"
    return InputError(f"images in {root}/CLASS/", got, remedy)
