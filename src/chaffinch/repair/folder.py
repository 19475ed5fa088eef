"""Applying a plan to a folder of images, or to a table that lists image files."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from chaffinch.core.errors import InputError
from chaffinch.core.progress import track
from chaffinch.data import ImageData
from chaffinch.data.column import choose_label
from chaffinch.data.file import read_table, suffix_of
from chaffinch.data.folder import FILE_NAMES, LABEL_TABLES
from chaffinch.data.written import decode
from chaffinch.repair.augmentation import change_images
from chaffinch.repair.csv_rows import CsvRows
from chaffinch.repair.effect import Effect
from chaffinch.repair.names import copy_ids, extra_columns

WEIGHTS_FILE = "chaffinch_weights.csv"
"""Beside the folders of the classes, where weights or soft labels have no table to stand in."""


def apply_folder(source: Path, opened: Any, draft: Path, links: bool, seed: int) -> None:
    """Write a repaired folder of images.

    Folders that name classes: a relabelled image moves to the folder of its new class. With a table
    of labels: its rows are changed and the files that it still lists are brought along.

    Args:
        source: The folder, or the table that lists files.
        opened: The data, the effect of the plan, and the columns that the user named.
        draft: Folder to write; not there yet.
        links: Whether to make hard links in place of copies (symbolic ones across disks).
        seed: Of changed copies.

    Raises:
        InputError: Two images that would get one name, or a table that cannot be changed.
    """
    dataset, effect, columns = opened
    draft.mkdir(parents=True)
    table = source if source.is_file() else _table_of(source)
    if table is None:
        _by_class(source, dataset, effect, draft, links, seed)
    else:
        _by_table(table, (dataset, effect, columns), draft, links, seed)


def _table_of(root: Path) -> Path | None:
    return next((root / name for name in LABEL_TABLES if (root / name).is_file()), None)


def _files(dataset: ImageData) -> list[Path]:
    return [Path(name) for name in dataset.files or ()]


def _by_class(
    root: Path, dataset: ImageData, effect: Effect, draft: Path, links: bool, seed: int
) -> None:
    labels, files = dataset.labels, _files(dataset)
    names = labels.names
    for name in names:
        (draft / name).mkdir()
    placed: dict[int, str] = {}
    with track("writing images", len(effect.rows)) as advance:
        for row in effect.rows.tolist():
            file, label = files[row], names[int(effect.codes[row])]
            target = draft / label / file.name
            if effect.label_rows[row] != row and (root / label / file.name).exists():
                target = draft / label / f"{file.parent.name}-{file.name}"
            _bring(file, target, links)
            placed[row] = f"{label}/{target.name}"
            advance()
    for row, number, image in _changed(dataset, effect, seed):
        folder = draft / names[int(effect.codes[row])]
        image.save(folder / f"{files[row].stem}+{number}.png")
    extra = extra_columns(effect, labels)
    if extra:
        rows = effect.rows.tolist()
        cells = {name: [values[row] for row in rows] for name, values in extra.items()}
        frame = pd.DataFrame({"file": [placed[row] for row in rows], **cells})
        frame.to_csv(draft / WEIGHTS_FILE, index=False)


def _by_table(table: Path, opened: Any, draft: Path, links: bool, seed: int) -> None:
    dataset, effect, columns = opened
    if suffix_of(str(table)) not in (".csv", ".tsv"):
        raise InputError(
            "a table of labels in CSV to change", table.name, "Save the table of labels as CSV"
        )
    frame = read_table(str(table), columns)
    named = [str(name) for name in frame.columns]
    file = next(n for n in named if n.lower() in FILE_NAMES and n != columns.label)
    _write_rows(table, (dataset, effect, columns), draft / table.name, (file, seed))
    listed = frame[file].astype(str).tolist()
    with track("writing images", len(effect.rows)) as advance:
        for row in effect.rows.tolist():
            if Path(listed[row]).is_absolute() or ".." in Path(listed[row]).parts:
                raise InputError(
                    f"files below the folder of {table.name}", listed[row], "Move them there first"
                )
            target = draft / listed[row]
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                _bring(table.parent / listed[row], target, links)
            advance()
    for row, number, image in _changed(dataset, effect, seed):
        image.save((draft / listed[row]).with_name(f"{Path(listed[row]).stem}+{number}.png"))


def _write_rows(table: Path, opened: Any, target: Path, named: tuple[str, int]) -> None:
    """The table of labels, row by row; rows of copies name their own file."""
    dataset, effect, columns = opened
    text, encoding, _ = decode(table.read_bytes(), columns.written.encoding, table.name)
    rows = CsvRows.parse(text, "\t" if table.suffix == ".tsv" else ",", columns.written.sep)
    label = choose_label(rows.names, columns.label, table.name)
    extra = extra_columns(effect, dataset.labels)
    made = [rows.longer(rows.header, list(extra)) if extra else rows.header]

    def record(row: int, cells: dict[str, str]) -> str:
        source = int(effect.label_rows[row])
        if source != row:
            cells = {label: rows.cell(source, label), **cells}
        text = rows.with_cells(row, cells) if cells else rows.records[row]
        if extra:
            text = rows.longer(text, [str(values[row]) for values in extra.values()])
        return text if text.endswith(("\n", "\r")) else text + rows.line_end

    made += [record(row, {}) for row in effect.rows.tolist()]
    ids = iter(copy_ids(dataset.ids, effect.copies).tolist())
    for row, number in _numbered(effect):
        path = Path(rows.cell(row, named[0]))
        cells = {named[0]: path.with_name(f"{path.stem}+{number}.png").as_posix()}
        name = next(ids)
        if columns.id is not None:
            cells[columns.id] = name
        made.append(record(row, cells))
    target.write_bytes((rows.mark + "".join(made)).encode(encoding))


def _numbered(effect: Effect) -> Iterator[tuple[int, int]]:
    """Row and number, from 1, of each changed copy."""
    for row in effect.copies.nonzero()[0].tolist():
        for number in range(int(effect.copies[row])):
            yield row, number + 1


def _changed(dataset: ImageData, effect: Effect, seed: int) -> Iterator[tuple[int, int, Any]]:
    """Row, number and image of each changed copy, in the size of its original."""
    for row, number in _numbered(effect):
        with Image.open(_files(dataset)[row]) as image:
            size = (image.height, image.width)
        one = dataset.take(np.asarray([row]))
        made = change_images(one.pixels(size), seed + 1009 * row + number)[0]
        yield row, number, Image.fromarray(made[..., 0] if made.shape[2] == 1 else made)


def _bring(file: Path, target: Path, links: bool) -> None:
    if target.exists():
        raise InputError(
            "a name of its own for every image", f"two for {target.name}", "Rename one of them"
        )
    if not links:
        shutil.copy2(file, target)
        return
    try:
        os.link(file, target)
    except OSError:
        target.symlink_to(file.resolve())
