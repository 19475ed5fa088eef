"""Table files: CSV, TSV, Parquet, Arrow and JSON lines, on disk or at a URL."""

import gzip
import io
import json
import warnings
import zlib
from collections.abc import Callable
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

Place = Path | io.BytesIO

# The same numbers as in Parquet, to the last bit: what pandas does by itself from 3.1 on.
_EXACT: dict[str, Any] = (
    {"float_precision": "round_trip"}
    if tuple(int(part) for part in pd.__version__.split(".")[:2]) < (3, 1)
    else {}
)

# Words that stand for an empty cell, but only in a column that otherwise holds numbers:
# elsewhere "None" or "NA" may well be a category or a class.
_EMPTY_WORDS = ("NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None", "?")


def is_url(path: str) -> bool:
    """Whether the path is a URL (s3://..., https://...)."""
    return "://" in path


def suffix_of(path: str) -> str:
    """The ending that tells the format, without a trailing .gz, in lower case."""
    name = PurePosixPath(urlsplit(path).path if is_url(path) else path).name.lower()
    return PurePosixPath(name.removesuffix(".gz")).suffix


def read_table(path: str, text_columns: tuple[str, ...] = ()) -> pd.DataFrame:
    """Read a table file.

    Args:
        path: A path, or a URL that fsspec can open; the ending tells the format, one of those in
            `READERS`; ``.csv.gz`` and the like too.
        text_columns: Columns of a CSV that are kept as text though they look like numbers.

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
        return READERS[suffix](place, name, text_columns)
    except FileNotFoundError as error:
        raise InputError("a file that exists", repr(path), "Check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"text in UTF-8 in {name}", f"other bytes ({error.reason})", "Save it as UTF-8"
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


def _read_csv(
    place: Place, name: str, text_columns: tuple[str, ...], separator: str = ","
) -> pd.DataFrame:
    header, separator = _read_header(place, name, separator)
    with warnings.catch_warnings():
        # Rows longer than the header would lose cells.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            frame: pd.DataFrame = pd.read_csv(
                _rewind(place),
                sep=separator,
                encoding="utf-8-sig",
                index_col=False,
                keep_default_na=False,
                na_values=[""],
                dtype={column: "str" for column in text_columns if column in header},
                low_memory=False,
                **_EXACT,
            )
        except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
            raise InputError(
                f"rows with as many cells as the header ({len(header)}) in {name}",
                " ".join(str(error).split()).rstrip("."),
                "Put cells that hold the separator in double quotes",
            ) from error
    for column in frame.columns.difference(list(text_columns)):
        if isinstance(frame[column].dtype, pd.StringDtype) or frame[column].dtype == object:
            frame[column] = _numbers_or_text(frame[column])
    # What pandas writes first where the index was not left out: a row number, no feature.
    if not header[0] and np.array_equal(frame.iloc[:, 0].to_numpy(), np.arange(len(frame))):
        frame = frame.iloc[:, 1:]
    return frame


def _read_header(place: Place, name: str, separator: str) -> tuple[list[str], str]:
    try:
        row = pd.read_csv(
            _rewind(place),
            sep=separator,
            encoding="utf-8-sig",
            header=None,
            nrows=1,
            dtype=str,
            keep_default_na=False,
        )
    except pd.errors.EmptyDataError as error:
        raise InputError(f"a header and rows in {name}", "an empty file", "Check it") from error
    header = [str(cell) for cell in row.iloc[0]]
    if len(header) == 1 and separator != ";" and ";" in header[0]:
        return _read_header(place, name, ";")
    repeated = sorted({cell for cell in header if header.count(cell) > 1})
    if repeated:
        raise InputError(
            f"a different name for every column of {name}",
            f"{', '.join(map(repr, repeated))} more than once",
            "Rename the columns",
        )
    return header, separator


def _numbers_or_text(column: "pd.Series[Any]") -> "pd.Series[Any]":
    empty = column.isin(_EMPTY_WORDS)
    if not empty.any():
        return column
    rest = column.where(~empty)
    if rest.isna().all():
        return column
    try:
        return pd.to_numeric(rest)
    except (ValueError, TypeError):
        return column


def _read_parquet(place: Place, name: str, text_columns: tuple[str, ...]) -> pd.DataFrame:
    del name, text_columns
    frame: pd.DataFrame = parquet.read_table(_rewind(place)).to_pandas()
    return frame


def _read_arrow(place: Place, name: str, text_columns: tuple[str, ...]) -> pd.DataFrame:
    del name, text_columns
    try:
        table = feather.read_table(_rewind(place))
    except pa.ArrowInvalid:  # a stream, as the datasets library writes
        content = place.read_bytes() if isinstance(place, Path) else place.getvalue()
        table = pa.ipc.open_stream(content).read_all()
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _read_json_lines(place: Place, name: str, text_columns: tuple[str, ...]) -> pd.DataFrame:
    del text_columns
    content = place.read_bytes() if isinstance(place, Path) else place.getvalue()
    records = []
    # Not splitlines(): it also breaks at signs that JSON allows inside of a string.
    for number, line in enumerate(content.decode("utf-8-sig").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(
                f"one JSON object a line in {name}", f"line {number}: {error}", "Mend that line"
            ) from error
        if not isinstance(record, dict):
            raise InputError(
                f"one JSON object a line in {name}",
                f"a {type(record).__name__} in line {number}",
                'Write each row as {"column": value, ...}',
            )
        records.append(record)
    return pd.DataFrame.from_records(records)


def _rewind(place: Place) -> Place:
    if isinstance(place, io.BytesIO):
        place.seek(0)
    return place


READERS: dict[str, Callable[[Place, str, tuple[str, ...]], pd.DataFrame]] = {
    ".csv": _read_csv,
    ".tsv": partial(_read_csv, separator="\t"),
    ".parquet": _read_parquet,
    ".arrow": _read_arrow,
    ".feather": _read_arrow,
    ".jsonl": _read_json_lines,
}
"""The table formats by ending."""
