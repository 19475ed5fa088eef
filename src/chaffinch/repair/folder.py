"""Applying a plan to a folder of images or sounds, or to a table that lists their files."""

import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from chaffinch.core.errors import InputError
from chaffinch.core.progress import track
from chaffinch.data import AudioData
from chaffinch.data.column import choose_label
from chaffinch.data.file import read_table, suffix_of
from chaffinch.data.folder import FILE_NAMES, LABEL_TABLES, FileData
from chaffinch.data.image_file import read_raw
from chaffinch.data.sound_file import wav_of
from chaffinch.data.written import decode
from chaffinch.repair.augmentation import change_images, change_wave
from chaffinch.repair.csv_rows import CsvRows
from chaffinch.repair.effect import Effect
from chaffinch.repair.names import copy_ids, extra_columns

WEIGHTS_FILE = "chaffinch_weights.csv"
"""Beside the folders of the classes, where weights or soft labels have no table to stand in."""


def apply_folder(source: Path, opened: Any, draft: Path, links: bool, seed: int) -> None:
    """Write a repaired folder of images or sounds.

    Folders that name classes: a relabelled file moves to the folder of its new class. With a table
    of labels: its rows are changed and the files that it still lists are brought along.

    Args:
        source: The folder, or the table that lists files.
        opened: The data, the effect of the plan, and the columns that the user named.
        draft: Folder to write; not there yet.
        links: Whether to make hard links in place of copies (symbolic ones across disks).
        seed: Of changed copies.

    Raises:
        InputError: Two files that would get one name, or a table that cannot be changed.
    """
    dataset, effect, columns = opened
    draft.mkdir(parents=True)
    table = source if source.is_file() else _table_of(source)
    if table is None:
        _by_class(dataset, effect, draft, links, seed)
    else:
        _by_table(table, (dataset, effect, columns), draft, links, seed)


def _table_of(root: Path) -> Path | None:
    return next((root / name for name in LABEL_TABLES if (root / name).is_file()), None)


def _files(dataset: FileData) -> list[Path]:
    return [Path(name) for name in dataset.files or ()]


def _by_class(dataset: FileData, effect: Effect, draft: Path, links: bool, seed: int) -> None:
    labels, files = dataset.labels, _files(dataset)
    names = effect.labels(labels).names
    for name in names:
        (draft / name).mkdir()
    taken = {f"{file.parent.name}/{file.name}" for file in files}
    placed: dict[int, str] = {}
    moved = effect.relabelled
    with track("writing files", len(effect.rows)) as advance:
        for row in effect.rows.tolist():
            file, label = files[row], names[int(effect.codes[row])]
            placed[row] = f"{label}/{file.name}"
            if moved[row]:
                other = f"{label}/{file.parent.name}-{file.name}"
                placed[row] = _free(other if placed[row] in taken else placed[row], taken)
            _bring(file, draft / placed[row], links)
            advance()
    _write_copies((dataset, effect), draft, placed, taken, seed)
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
    listed = frame[file].fillna("").astype(str).tolist()
    with track("writing files", len(effect.rows)) as advance:
        for row in effect.rows.tolist():
            if Path(listed[row]).is_absolute() or ".." in Path(listed[row]).parts:
                raise InputError(
                    f"files below the folder of {table.name}", listed[row], "Move them there first"
                )
            source, target = table.parent / listed[row], draft / listed[row]
            if source.is_file() and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                _bring(source, target, links)
            advance()
    placed, taken = dict(enumerate(listed)), {*listed, table.name}
    copies = _write_copies((dataset, effect), draft, placed, taken, seed)
    _write_rows(table, (dataset, effect, columns), draft / table.name, (file, copies))


def _write_rows(
    table: Path, opened: Any, target: Path, named: tuple[str, dict[tuple[int, int], str]]
) -> None:
    """The table of labels, row by row; rows of copies name their own file."""
    dataset, effect, columns = opened
    text, encoding, _ = decode(table.read_bytes(), columns.written.encoding, table.name)
    rows = CsvRows.parse(text, "\t" if table.suffix == ".tsv" else ",", columns.written.sep)
    label = choose_label(rows.names, columns.label, table.name)
    extra = extra_columns(effect, dataset.labels)
    made = [rows.longer(rows.header, list(extra)) if extra else rows.header]

    place, values = effect.new_in(np.arange(len(dataset)))
    new = dict(zip(place.tolist(), map(str, values), strict=True))

    def record(row: int, cells: dict[str, str]) -> str:
        source = int(effect.label_rows[row])
        if row in new:
            cells = {label: new[row], **cells}
        elif source != row:
            cells = {label: rows.cell(source, label), **cells}
        text = rows.with_cells(row, cells) if cells else rows.records[row]
        if extra:
            text = rows.longer(text, [str(values[row]) for values in extra.values()])
        return text if text.endswith(("\n", "\r")) else text + rows.line_end

    made += [record(row, {}) for row in effect.rows.tolist()]
    ids = iter(copy_ids(dataset.ids, effect.copies).tolist())
    for row, number in _numbered(effect):
        cells = {named[0]: named[1][row, number]}
        name = next(ids)
        if columns.id is not None:
            cells[columns.id] = name
        made.append(record(row, cells))
    with target.open("xb") as file:
        file.write((rows.mark + "".join(made)).encode(encoding))


def _numbered(effect: Effect) -> Iterator[tuple[int, int]]:
    """Row and number, from 1, of each changed copy."""
    for row in effect.copies.nonzero()[0].tolist():
        for number in range(int(effect.copies[row])):
            yield row, number + 1


def _write_copies(
    opened: Any, draft: Path, placed: dict[int, str], taken: set[str], seed: int
) -> dict[tuple[int, int], str]:
    """Write the changed copies beside their originals.

    Args:
        opened: The data and the effect of the plan.
        draft: The folder that is written.
        placed: Where in it each sample lies.
        taken: Paths that have an owner; those of the copies are added.
        seed: Of the changes.

    Returns:
        The path of each copy by row and number.
    """
    dataset, effect = opened
    found = {}
    for row, number in _numbered(effect):
        suffix, content = _changed(dataset, row, seed + 1009 * row + number)
        place = PurePosixPath(placed[row])
        name = str(place.with_name(f"{place.stem}+{number}{suffix}"))
        found[row, number] = _free(name, taken)
        target = draft / found[row, number]
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.write(content)
    return found


def _changed(dataset: FileData, row: int, seed: int) -> tuple[str, bytes]:
    """Ending and content of a changed copy: as deep as its image, or as WAV at its own rate."""
    if isinstance(dataset, AudioData):
        header = dataset.headers[row]
        rate = dataset.rate if header is None else header.rate
        return ".wav", wav_of(change_wave(dataset.wave(row, rate), seed), rate)
    image = read_raw(_files(dataset)[row], dataset.max_pixels)
    made = change_images(image[None], seed)[0]
    # PNG holds no more than 16 bits.
    suffix = ".png" if made.dtype in (np.uint8, np.uint16) else ".tif"
    buffer = io.BytesIO()
    plain = made[..., 0] if made.shape[2] == 1 else made
    Image.fromarray(plain).save(buffer, "PNG" if suffix == ".png" else "TIFF")
    return suffix, buffer.getvalue()


def _free(path: str, taken: set[str]) -> str:
    """The path, or one with a number that nobody has; it is taken from then on."""
    place, number = PurePosixPath(path), 2
    while path in taken:
        path = str(place.with_name(f"{place.stem}-{number}{place.suffix}"))
        number += 1
    taken.add(path)
    return path


def _bring(file: Path, target: Path, links: bool) -> None:
    if target.exists():
        raise InputError(
            "a name of its own for every file", f"two for {target.name}", "Rename one of them"
        )
    if not links:
        shutil.copy2(file, target)
        return
    source = file.resolve()  # a relative link would lead nowhere from its new place
    try:
        os.link(source, target)
    except OSError:
        target.symlink_to(source)
