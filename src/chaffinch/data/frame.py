"""From a DataFrame to rows, texts or images, whichever its columns hold."""

import io
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from chaffinch.core.errors import InputError
from chaffinch.core.labels import Labels
from chaffinch.core.types import Strings
from chaffinch.data.column import (
    Columns,
    check_names,
    choose_label,
    choose_text,
    drop_split,
    need_name,
    read_ids,
    read_labels,
)
from chaffinch.data.image import ImageData
from chaffinch.data.picture import Encoded
from chaffinch.data.table import TableData
from chaffinch.data.text import SEPARATOR, TextData

Opened = TableData | TextData | ImageData


def open_frame(frame: pd.DataFrame, columns: Columns, source: str) -> Opened:
    """Split a DataFrame into label, id and features, and open the features.

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
    labels = read_labels(frame[label], label)
    used, ids = [label], None
    if columns.id is not None:
        used.append(need_name(names, columns.id, "id", source))
        ids = read_ids(frame[columns.id], columns.id)
    features = frame.drop(columns=used)
    return open_features(features, labels, ids, columns.text, source)


def open_features(
    features: pd.DataFrame, labels: Labels, ids: Strings | None, text: str | None, source: str
) -> Opened:
    """Open columns as images, texts or a table; a column that names the split is left out.

    Images where a column holds encoded images (mappings with "bytes" or "path", as the Hugging
    Face format has them); texts by the rule of `choose_text`; else a table.

    Raises:
        InputError: Any reason for which the features are refused.
    """
    features = drop_split(check_names(features, source))
    encoded = next((name for name in features.columns if _is_encoded(features[name])), None)
    if encoded is not None and text is None:
        files = _encoded(features[encoded], encoded, source)
        return ImageData.of_files(files, labels, ids=ids, source=source)
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
    return isinstance(first, Image.Image) or (isinstance(first, dict) and "bytes" in first)


def _encoded(column: "pd.Series[Any]", name: str, source: str) -> list[Encoded]:
    files: list[Encoded] = []
    for row, value in enumerate(column):
        if isinstance(value, Image.Image):
            files.append(png_of(value, row, f"column {name!r} of {source}"))
            continue
        content, path = (value.get("bytes"), value.get("path")) if value else (None, None)
        if not (content or path):
            raise InputError(
                f"an image in every row of column {name!r} of {source}",
                f"none in row {row}",
                "Drop the rows without one",
            )
        files.append(bytes(content) if content else Path(str(path)))
    return files


def png_of(image: Any, row: int, source: str) -> bytes:
    """Write an image of Pillow to a file in memory.

    Raises:
        InputError: Something else than an image.
    """
    if not isinstance(image, Image.Image):
        raise InputError(
            f"an image of Pillow as every sample of {source}",
            f"a {type(image).__name__} as sample {row}",
            "Leave those samples out, or give arrays or tensors throughout",
        )
    buffer = io.BytesIO()
    kept = image.mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16")
    (image if kept else image.convert("RGB")).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
