"""Folders of images or sounds: one subfolder a class, or a flat folder with a table of labels."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from chaffinch.core.errors import InputError, MissingExtraError
from chaffinch.core.labels import Labels
from chaffinch.core.types import Strings
from chaffinch.data.audio import AudioData
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
    IMAGE,
    SOUND,
    Medium,
    deeper_file,
    is_medium,
    left_out_note,
    medium_of,
    visible,
)
from chaffinch.data.sound_file import has_soundfile, missing_reader

FileData = ImageData | AudioData
"""Samples that come as one file each."""

LABEL_TABLES = ("labels.csv", "labels.tsv", "labels.parquet", "labels.jsonl", "metadata.csv")
"""Files in a folder that are taken for its table of labels; the first that exists is used."""

FILE_NAMES = ("file", "filename", "file_name", "image", "audio", "path", "name")
"""Columns that are taken for the name of the file, in upper or lower case."""


def open_folder(root: Path, columns: Columns, max_pixels: int | None = None) -> FileData:
    """Open ``root/class/name.png`` (or ``.wav``), or ``root/labels.csv`` with files beside it.

    The id column may be a column of the table; ``file``, the path below ``root``, is always there.
    Hidden files and folders, and those that tools make, are passed over; a note counts other files
    that are no images, or no sounds where most are sounds.

    Raises:
        InputError: No samples, samples in deeper folders, a file in the table that is not there, or
            any reason for which labels, ids or samples are refused.
        MissingExtraError: Nothing but sounds that need a reader which is not installed.
    """
    Columns(text=columns.text, series=columns.series).refuse(f"the folder {root}")
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
    entries = visible(root)
    inside = [(folder, file) for folder in entries if folder.is_dir() for file in _files(folder)]
    medium = medium_of(file for _, file in inside)
    readable = medium.readable()
    rows = [
        (f"{folder.name}/{file.name}", folder.name)
        for folder, file in inside
        if file.suffix.lower() in readable
    ]
    if not rows:
        raise _no_samples(root, medium, inside)
    deeper = deeper_file(root, medium)
    if deeper is not None:  # it would be left out without a word
        raise InputError(
            f"{medium.noun}s in {root}/CLASS/ alone",
            f"others in deeper folders ({deeper.parent})",
            "Move them up, or list all files in labels.csv with columns file,label",
        )
    _check_names(name for name, _ in rows)
    left_out = (file for _, file in inside if file.suffix.lower() not in readable)
    notes = left_out_note(left_out, medium)
    beside = [file for file in entries if medium.holds(file) and file.is_file()]
    if beside:
        named = f"{len(beside):,} {medium.noun}s beside the folders of classes"
        notes += (f"{named}, such as {beside[0].name!r}, were left out.",)
    frame = pd.DataFrame(rows, columns=["file", "label"])
    opened = open_listed(
        frame, root, Columns("label", columns.id, group=columns.group), str(root), max_pixels
    )
    return replace(opened, notes=(*notes, *opened.notes))


def lists_files(frame: pd.DataFrame) -> bool:
    """Whether a table is a table of labels: a column of image or sound files under a usual name."""
    name = next((name for name in frame.columns if str(name).lower() in FILE_NAMES), None)
    if name is None or not len(frame):
        return False
    cells = frame[name].dropna()
    return bool(len(cells)) and all(
        isinstance(cell, str) and is_medium(Path(cell)) for cell in cells
    )


def open_listed(
    frame: pd.DataFrame, root: Path, columns: Columns, source: str, max_pixels: int | None = None
) -> FileData:
    """Open the images or sounds that a table of labels lists.

    Args:
        frame: One row a sample, with a column for the file and one for the label.
        root: Folder below which the files lie.
        columns: The label, id and group columns.
        source: Where the table came from, for people.
        max_pixels: As for `ImageData.of_files`.

    Raises:
        InputError: No column with file names, no existing file, or any reason for which
            labels, ids or samples are refused.
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
    opened = of_files(files, labels, ids=ids, source=source, max_pixels=max_pixels)
    return replace(opened, groups=groups)


def of_files(
    files: Sequence[Path],
    labels: Labels,
    *,
    ids: Strings | None = None,
    source: str = "files",
    max_pixels: int | None = None,
) -> FileData:
    """Open files as images or as sounds, whichever most are by their names."""
    if medium_of(files) is SOUND:
        return AudioData.of_files(files, labels, ids=ids, source=source)
    return ImageData.of_files(files, labels, ids=ids, source=source, max_pixels=max_pixels)


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


def _no_samples(
    root: Path, medium: Medium, inside: Sequence[tuple[Path, Path]]
) -> InputError | MissingExtraError:
    unread = Counter(file.suffix.lower() for _, file in inside if medium.holds(file))
    if not unread:
        return _nothing(root)
    if medium is SOUND and not has_soundfile():
        return missing_reader()
    got = "none that can be read here: " + ", ".join(f"{n} {kind}" for kind, n in unread.items())
    remedy = f"Convert them to {'WAV or FLAC' if medium is SOUND else 'PNG or JPEG'}"
    return _need_samples(root, medium, got, remedy)


def _nothing(root: Path) -> InputError:
    for medium in (IMAGE, SOUND):
        deeper = deeper_file(root, medium)
        if deeper is not None:
            got = f"{medium.noun}s in deeper folders ({deeper.parent})"
            return _need_samples(root, medium, got, f"Pass {deeper.parent.parent}")
        if any(map(medium.holds, _files(root))):
            remedy = "Sort them into one folder a class, or add labels.csv with columns file,label"
            return _need_samples(root, medium, f"{medium.noun}s without classes", remedy)
    known = ", ".join(sorted(IMAGE.readable() | SOUND.readable()))
    return InputError(
        f"images or sounds in {root}/CLASS/", "none", f"Check the path; endings known are {known}"
    )


def _need_samples(root: Path, medium: Medium, got: str, remedy: str) -> InputError:
    return InputError(f"{medium.noun}s in {root}/CLASS/", got, remedy)
