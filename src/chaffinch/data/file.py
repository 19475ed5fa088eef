"""Table files: CSV, TSV, Parquet, Arrow, JSON and JSON lines, on disk or at a URL."""

import codecs
import gzip
import io
import os
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import feather, parquet

from chaffinch.core.errors import InputError
from chaffinch.core.place import need_path
from chaffinch.data.arrow import frame_of_arrow
from chaffinch.data.column import Columns, usual_label
from chaffinch.data.delimited import Place, read_cells, read_header
from chaffinch.data.json_table import frame_of_json, frame_of_lines
from chaffinch.data.typed import merged_labels, type_cells
from chaffinch.data.written import SEPARATORS, decode, find_separator

LISTED_LABEL = "__label__"  # before each label in the format of fastText
_BLOCK = 1 << 24
_ODD_SEPARATORS = re.compile(r"\w[ :^~#]+\w")


@dataclass(frozen=True)
class Reading:
    """A file that is being read: its name, what the user said of it, and notes for the user."""

    name: str
    columns: Columns
    notes: list[str]


def is_url(path: str) -> bool:
    """Whether the path is a URL (s3://..., https://...)."""
    return "://" in path


def suffix_of(path: str) -> str:
    """The ending that tells the format, without a trailing .gz, in lower case."""
    name = PurePosixPath(urlsplit(path).path if is_url(path) else path).name.lower()
    return PurePosixPath(name.removesuffix(".gz")).suffix


def is_text_file(data: Any) -> bool:
    """Whether data are a path of a file that an encoding is needed for."""
    return isinstance(data, str | os.PathLike) and suffix_of(os.fspath(data)) in _TEXT_FILES


def read_table(
    path: str, columns: Columns | None = None, notes: list[str] | None = None
) -> pd.DataFrame:
    """Read a table file.

    Args:
        path: A path, or a URL that fsspec can open; the ending tells the format, one of those in
            `READERS`; ``.csv.gz`` and the like too.
        columns: What the user said: the id and text columns of a CSV are kept as text though they
            look like numbers, and how the file is written.
        notes: Gets a sentence for each thing that was interpreted.

    Raises:
        InputError: Another ending, or a file that is missing, empty or damaged.
    """
    suffix, name = suffix_of(path), PurePosixPath(path).name
    if suffix not in READERS:
        raise InputError(
            f"a file of type {', '.join(READERS)}",
            repr(name),
            "Convert it, or load it yourself and pass the DataFrame",
        )
    try:
        place = _fetch(path)
        if path.lower().endswith(".gz"):
            place = _unpack(place)
        reading = Reading(name, columns or Columns(), [] if notes is None else notes)
        return READERS[suffix](place, reading)
    except FileNotFoundError as error:
        raise need_path(path) from error
    except UnicodeEncodeError as error:
        raise InputError(
            f"whole letters in {name}",
            f"half of a surrogate pair ({error.object[error.start : error.start + 1]!r})",
            "Write the file again: such signs are cut emoji and cannot be saved",
        ) from error
    except (OSError, EOFError, ValueError, zlib.error, pa.ArrowException) as error:
        if isinstance(error, InputError):
            raise
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise InputError(
            f"a {suffix} file that can be read",
            f"{name} ({reason})",
            "Check that the file is whole and that its ending tells its format",
        ) from error


def _fetch(path: str) -> Place:
    if not is_url(path):
        return Path(path)
    try:
        with fsspec.open(path, "rb") as stream:
            return io.BytesIO(stream.read())
    except ImportError as error:
        raise InputError(
            f"a file system that is installed for {path}",
            str(error).rstrip("."),
            "Install that package, or copy the file here first",
        ) from error


def _unpack(place: Place) -> Place:
    content = place.read_bytes() if isinstance(place, Path) else place.getvalue()
    return io.BytesIO(gzip.decompress(content))


def _content(place: Place) -> bytes:
    return place.read_bytes() if isinstance(place, Path) else place.getvalue()


def _is_utf8(place: Place) -> bool:
    """Block by block, for tables of many gigabytes; zeros are those of UTF-16."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with place.open("rb") if isinstance(place, Path) else io.BytesIO(place.getvalue()) as stream:
        while block := stream.read(_BLOCK):
            try:
                decoder.decode(block)
            except UnicodeDecodeError:
                return False
            if b"\0" in block:
                return False
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _read_csv(place: Place, reading: Reading, separator: str = ",") -> pd.DataFrame:
    """Read cells as text and give the columns their types afterwards: pandas rounds."""
    name, written = reading.name, reading.columns.written
    text: str | None = None
    if written.encoding is not None or not _is_utf8(place):
        text, _, told = decode(_content(place), written.encoding, name)
        reading.notes.extend(told)
        text = text.removeprefix("\ufeff")
    sep = written.sep or find_separator(_start(place) if text is None else text, separator)
    if sep != separator and written.sep is None:
        reading.notes.append(f"{name} was read with {SEPARATORS[sep]} between its cells (--sep).")
    source = _rewind(place) if text is None else io.StringIO(text)
    header = read_header(source, name, sep)
    if len(header) == 1 and _ODD_SEPARATORS.search(header[0]):
        raise InputError(
            f"several columns in {name}",
            f"one, {header[0][:80]!r}",
            "Name the sign between the cells by --sep (sep= in Python), such as --sep space",
        )
    frame = read_cells(_rewind(place) if text is None else text, sep, name, reading.notes)
    del text
    keep = frozenset(reading.columns.as_text)
    raw = frame
    frame, told = type_cells(raw, keep, written.decimal, name)
    reading.notes.extend(told)
    label = usual_label(header, reading.columns.label)
    if label in frame.columns:
        reading.notes.extend(merged_labels(raw[label], frame[label], name))
    # What pandas writes first where the index was not left out: a row number, no feature.
    if not header[0] and np.array_equal(frame.iloc[:, 0].to_numpy(), np.arange(len(frame))):
        frame = frame.iloc[:, 1:]
    return frame


def _start(place: Place) -> str:
    with place.open("rb") if isinstance(place, Path) else io.BytesIO(place.getvalue()) as stream:
        return stream.read(_BLOCK // 64).decode("utf-8-sig", errors="ignore")


def _read_list(place: Place, reading: Reading) -> pd.DataFrame:
    """Read a .txt file: labels and texts as fastText has them, or a table with a separator."""
    text, _, told = decode(_content(place), reading.columns.written.encoding, reading.name)
    lines = [line for line in text.removeprefix("\ufeff").splitlines() if line.strip()]
    if lines and all(line.startswith(LISTED_LABEL) for line in lines):
        reading.notes.extend(told)
        rows = [line.removeprefix(LISTED_LABEL).split(maxsplit=1) for line in lines]
        several = sum(row[-1].startswith(LISTED_LABEL) for row in rows)
        if several or any(len(row) < 2 for row in rows):
            raise InputError(
                f"one label and a text in each line of {reading.name}",
                f"{several} lines with several labels" if several else "lines without a text",
                "Mend these lines",
            )
        return pd.DataFrame(rows, columns=["label", "text"], dtype=str)
    sep = reading.columns.written.sep or find_separator(text, "\t")
    if len(lines) < 2 or sep not in lines[0]:
        raise InputError(
            f"a table with a header, or lines '{LISTED_LABEL}LABEL TEXT', in {reading.name}",
            f"{len(lines)} lines without labels",
            "Put texts and labels in two columns of a .csv or .tsv file, or name the sign between "
            "its cells by --sep",
        )
    return _read_csv(place, reading, "\t")


def _read_parquet(place: Place, reading: Reading) -> pd.DataFrame:
    del reading
    return frame_of_arrow(parquet.read_table(_rewind(place)))


def _read_arrow(place: Place, reading: Reading) -> pd.DataFrame:
    del reading
    try:
        table = feather.read_table(_rewind(place))
    except pa.ArrowInvalid:  # a stream, as the datasets library writes
        table = pa.ipc.open_stream(_content(place)).read_all()
    return frame_of_arrow(table)


def _read_json_lines(place: Place, reading: Reading) -> pd.DataFrame:
    return frame_of_lines(_text(place, reading), reading.name)


def _read_json(place: Place, reading: Reading) -> pd.DataFrame:
    return frame_of_json(_text(place, reading), reading.name)


def _text(place: Place, reading: Reading) -> str:
    text, _, told = decode(_content(place), reading.columns.written.encoding, reading.name)
    reading.notes.extend(told)
    return text.removeprefix("\ufeff")


def _rewind(place: Place) -> Place:
    if isinstance(place, io.BytesIO):
        place.seek(0)
    return place


READERS: dict[str, Callable[[Place, Reading], pd.DataFrame]] = {
    ".csv": _read_csv,
    ".tsv": partial(_read_csv, separator="\t"),
    ".parquet": _read_parquet,
    ".arrow": _read_arrow,
    ".feather": _read_arrow,
    ".jsonl": _read_json_lines,
    ".json": _read_json,
    ".txt": _read_list,
}
"""The table formats by ending."""

DELIMITED = (".csv", ".tsv", ".txt")
"""Formats with one record a line and a sign between the cells."""

_TEXT_FILES = (*DELIMITED, ".json", ".jsonl")
