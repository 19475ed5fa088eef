"""The cells of a delimited text file, as they stand."""

import io
import warnings
from pathlib import Path
from typing import Any

import pandas as pd

from chaffinch.core.errors import InputError
from chaffinch.core.uneven import Uneven, too_long, uneven_rows

Place = Path | io.BytesIO


def read_header(source: Any, name: str, separator: str) -> list[str]:
    """The names of the columns.

    Raises:
        InputError: An empty file, or a name that comes more than once.
    """
    try:
        row = pd.read_csv(
            source,
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
    repeated = sorted({cell for cell in header if header.count(cell) > 1})
    if repeated:
        raise InputError(
            f"a different name for every column of {name}",
            f"{', '.join(map(repr, repeated))} more than once",
            "Rename the columns, or add a first line of names if there is none",
        )
    return header


def read_cells(content: Place | str, sep: str, name: str, notes: list[str]) -> pd.DataFrame:
    """Read a table without giving its columns types.

    Args:
        content: The table, UTF-8 in a file or text.
        sep: Between its cells.
        name: Of the file, for notes and errors.
        notes: Gets a sentence where rows are shorter than the header.

    Returns:
        The cells as text; empty ones, and those that short rows lack, are missing.

    Raises:
        InputError: Rows longer than the header, whose cells would be lost, or an open quote.
    """
    with warnings.catch_warnings():
        # Rows longer than the header would lose cells.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            frame: pd.DataFrame = pd.read_csv(
                io.StringIO(content) if isinstance(content, str) else content,
                sep=sep,
                encoding="utf-8-sig",
                index_col=False,
                keep_default_na=False,
                na_values=[""],
                dtype=str,
            )
        except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
            longer = _uneven(content, sep)[1]
            if longer.count:
                raise too_long(longer, name) from error
            raise InputError(
                f"rows of cells in {name}",
                " ".join(str(error).split()).rstrip("."),
                "Put cells that hold the separator in double quotes, and close all quotes",
            ) from error
    if frame.shape[1] and frame.iloc[:, -1].isna().any():  # else no row is short
        short = _uneven(content, sep)[0]
        if short.count:
            notes.append(
                f"{name} has fewer cells than its header ({short.width}) in {short}: the "
                "cells that they lack were read as empty."
            )
    return frame


def _uneven(content: Place | str, sep: str) -> tuple[Uneven, Uneven]:
    if isinstance(content, Path):
        with content.open(encoding="utf-8-sig", newline="") as lines:
            return uneven_rows(lines, sep)
    text = content if isinstance(content, str) else content.getvalue().decode("utf-8-sig")
    return uneven_rows(io.StringIO(text, newline=""), sep)
