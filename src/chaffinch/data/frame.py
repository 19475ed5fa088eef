"""From a DataFrame to rows, texts, images or sounds, whichever its columns hold."""

import io
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from chaffinch.core.errors import InputError
from chaffinch.core.labels import Labels
from chaffinch.core.types import Strings
from chaffinch.data.audio import AudioData
from chaffinch.data.column import (
    Columns,
    check_names,
    choose_label,
    choose_text,
    drop_split,
    need_name,
    read_groups,
    read_ids,
    read_labels,
)
from chaffinch.data.folder import FileData
from chaffinch.data.image import ImageData
from chaffinch.data.image_file import Encoded
from chaffinch.data.series import SeriesData
from chaffinch.data.series_table import open_long
from chaffinch.data.sound_file import holds_sound
from chaffinch.data.table import TableData
from chaffinch.data.text import SEPARATOR, TextData

_HEARD = {"array", "sampling_rate"}

Opened = TableData | TextData | FileData | SeriesData


def open_frame(frame: pd.DataFrame, columns: Columns, source: str) -> Opened:
    """Split a DataFrame into label, id, group and features, and open the features.

    Where a column of series is named, rows are steps of time and gathered to series.

    Raises:
        InputError: No rows, no label column, columns that are not there or come twice, or any
            reason for which labels, ids or features are refused.
    """
    if columns.id is not None and columns.id in map(str, frame.index.names):
        frame = frame.reset_index(list(map(str, frame.index.names)).index(columns.id))
    frame = check_names(frame, source)
    names = list(frame.columns)
    if not len(frame):
        raise InputError(f"at least one row in {source}", "none", "Check the data")
    label = choose_label(names, columns.label, source, frame)
    if columns.series is not None:
        return open_long(frame, columns, label, source)
    labels = read_labels(frame[label], label)
    used, ids = [label], None
    if columns.id is not None:
        used.append(need_name(names, columns.id, "id", source))
        ids = read_ids(frame[columns.id], columns.id)
    groups = read_groups(frame, columns.group, label, source)
    used += [] if groups is None else [groups.column]
    features = frame.drop(columns=list(dict.fromkeys(used)))
    return replace(open_features(features, labels, ids, columns.text, source), groups=groups)


def open_features(
    features: pd.DataFrame, labels: Labels, ids: Strings | None, text: str | None, source: str
) -> Opened:
    """Open columns as images, texts or a table; a column that names the split is left out.

    Images or sounds where a column holds encoded ones (mappings with "bytes" or "path", or "array"
    and "sampling_rate", as the Hugging Face format has them); texts by the rule of `choose_text`;
    else a table.

    Raises:
        InputError: Any reason for which the features are refused.
    """
    features = drop_split(check_names(features, source))
    encoded = next((name for name in features.columns if _is_encoded(features[name])), None)
    if encoded is not None and text is None:
        return _open_encoded(features[encoded], labels, ids, source)
    parts = choose_text(features, text, source)
    if not parts:
        return TableData.of(features, labels, ids=ids, source=source)
    named = ("column " if len(parts) == 1 else "columns ") + ", ".join(map(repr, parts))
    texts = _join([features[part] for part in parts])
    opened = TextData.of(texts, labels, ids=ids, source=f"{source} (text {named})")
    beside = [repr(name) for name in features.columns if name not in parts]
    if text is not None or not beside:
        return opened
    note = (
        f"{parts[0]!r} was taken for the text of the samples and {', '.join(beside)} left out: "
        f"name --text {parts[0]} if that is right, or --text none to use all columns."
    )
    return replace(opened, notes=(note,))


def _join(columns: list["pd.Series[Any]"]) -> list[Any]:
    rows = zip(*(column.astype(object) for column in columns), strict=True)
    return [None if any(pd.isna(cell) for cell in row) else _text(row) for row in rows]


def _text(row: Iterable[Any]) -> str:
    return SEPARATOR.join(str(cell) for cell in row)


def _is_encoded(column: "pd.Series[Any]") -> bool:
    if column.dtype != object:
        return False
    first = next((value for value in column if value is not None), None)
    held = isinstance(first, dict) and ("bytes" in first or first.keys() >= _HEARD)
    return isinstance(first, Image.Image) or held


def _open_encoded(
    column: "pd.Series[Any]", labels: Labels, ids: Strings | None, source: str
) -> FileData:
    first = next(value for value in column if value is not None)
    if isinstance(first, dict) and "bytes" not in first:
        waves = [np.zeros(0) if value is None else value["array"] for value in column]
        rates = [1 if value is None else int(value["sampling_rate"]) for value in column]
        return AudioData.of_waves(waves, rates, labels, ids=ids, source=source)
    files = _encoded(column)
    known = next((file for file in files if file), b"")
    if holds_sound(known):
        return AudioData.of_files(files, labels, ids=ids, source=source)
    return ImageData.of_files(files, labels, ids=ids, source=source)


def _encoded(column: "pd.Series[Any]") -> list[Encoded]:
    files: list[Encoded] = []
    for value in column:
        if isinstance(value, Image.Image):
            files.append(png_of(value))
            continue
        content, path = (value.get("bytes"), value.get("path")) if value else (None, None)
        # Without either, no bytes: it becomes one of the faults.
        files.append(bytes(content or b"") if content or not path else Path(str(path)))
    return files


def png_of(image: Image.Image) -> bytes:
    """An image as a file in memory that keeps its pixels: PNG knows neither 32 bits nor CMYK."""
    buffer = io.BytesIO()
    image = image.convert("RGB") if image.mode == "HSV" else image
    if image.mode in ("1", "L", "LA", "P", "RGB", "RGBA") or image.mode.startswith("I;"):
        image.save(buffer, "PNG", compress_level=1)
    else:
        image.save(buffer, "TIFF")
    return buffer.getvalue()
