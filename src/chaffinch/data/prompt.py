"""Prompts and their responses, from a table."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chaffinch.core.errors import InputError
from chaffinch.core.fault import Fault
from chaffinch.core.identity import digest, ids_from_digests, ids_from_keys
from chaffinch.core.kinds import EMPTY
from chaffinch.core.types import Strings
from chaffinch.data.arrow import frame_of, is_arrow_table
from chaffinch.data.column import Columns, few, need_name
from chaffinch.data.file import read_table

PROMPT_NAMES = ("prompt", "instruction", "question", "query")
"""Columns that are taken for the prompt where none is named, in upper or lower case."""

RESPONSE_NAMES = ("response", "completion", "output", "answer")
"""The same for the response."""


@dataclass(frozen=True, eq=False)
class Prompts:
    """N prompts with their responses.

    Attributes:
        ids: (N,) unique ids.
        prompts: (N,) prompts.
        responses: (N,) responses.
        frame: The table they came from, a row a sample.
        source: Where they came from, for people.
    """

    ids: Strings
    prompts: tuple[str, ...]
    responses: tuple[str, ...]
    frame: pd.DataFrame
    source: str

    def __len__(self) -> int:
        return len(self.prompts)

    @property
    def faults(self) -> dict[str, Fault]:
        """Why samples cannot be used, by id: those without a prompt."""
        blank = [row for row, prompt in enumerate(self.prompts) if not prompt.strip()]
        return {str(self.ids[row]): Fault(EMPTY, "no prompt") for row in blank}

    def take(self, index: NDArray[np.bool_]) -> "Prompts":
        """The samples where a mask is true."""
        rows = np.flatnonzero(index)
        return replace(
            self,
            ids=self.ids[rows],
            prompts=tuple(self.prompts[row] for row in rows),
            responses=tuple(self.responses[row] for row in rows),
            frame=self.frame.iloc[rows].reset_index(drop=True),
        )

    @property
    def fingerprint(self) -> str:
        """Hash of ids, prompts and responses, in order."""
        rows = zip(self.ids, self.prompts, self.responses, strict=True)
        return digest(*(part.encode("utf-8", "surrogatepass") for row in rows for part in row))


def open_prompts(
    data: Any,
    *,
    prompt: str | None = None,
    response: str | None = None,
    id_column: str | None = None,
) -> Prompts:
    """Open prompts and responses.

    Args:
        data: A path or URL of a .jsonl, .csv, .tsv, .parquet, .arrow or .feather file, or a
            DataFrame.
        prompt: Column of the prompt; by default the only one of `PROMPT_NAMES`.
        response: Column of the response; by default the only one of `RESPONSE_NAMES`.
        id_column: Column of unique keys; by default ids are made from the content.

    Raises:
        InputError: No rows or no such column. A row without a prompt or a response has an empty
            one: in a CSV there is no other way to write it.
    """
    for role, name in (("prompt", prompt), ("response", response), ("id", id_column)):
        if name is not None and not isinstance(name, str):
            raise InputError(f"text as the name of the {role} column", repr(name), "Name it")
    if is_arrow_table(data):
        data = frame_of(data)
    if isinstance(data, pd.DataFrame):
        frame, source = data.reset_index(drop=True), "DataFrame in memory"
    elif isinstance(data, str | os.PathLike):
        wanted = tuple(name for name in (prompt, response, id_column) if name)
        named = (*wanted, *PROMPT_NAMES, *RESPONSE_NAMES)
        source = os.path.basename(os.fspath(data))
        frame = read_table(os.path.expanduser(os.fspath(data)), Columns(verbatim=named))
    else:
        raise InputError(
            "a path or a DataFrame of prompts and responses",
            type(data).__name__,
            "Save them as JSON lines with the keys prompt and response",
        )
    if not len(frame):
        raise InputError(f"at least one row in {source}", "none", "Check the data")
    names = [str(name) for name in frame.columns]
    frame = frame.set_axis(names, axis=1)
    asked = _texts(frame[_choose(names, prompt, PROMPT_NAMES, "prompt", source)])
    given = _texts(frame[_choose(names, response, RESPONSE_NAMES, "response", source)])
    if id_column is not None:
        keys = frame[need_name(names, id_column, "id", source)].astype(object)
        ids = ids_from_keys(keys.where(keys.notna(), None), id_column)
    else:
        ids = ids_from_digests([_digest(*row) for row in zip(asked, given, strict=True)])
    return Prompts(ids, asked, given, frame, source)


def _choose(
    names: Sequence[str], wanted: str | None, usual: Sequence[str], role: str, source: str
) -> str:
    if wanted is not None:
        return need_name(names, wanted, role, source)
    found = [name for name in names if name.lower() in usual]
    if len(found) == 1:
        return found[0]
    raise InputError(
        f"one {role} column in {source} (one of {', '.join(usual)})",
        f"the columns {few(found or names)}",
        f"Name the right one with --{role} ({role}= in Python)",
    )


def _texts(column: "pd.Series[Any]") -> tuple[str, ...]:
    cells = column.astype(object)
    return tuple(str(one) for one in cells.where(cells.notna(), ""))


def _digest(*parts: str) -> str:
    return digest(*(part.encode("utf-8", "surrogatepass") for part in parts))
