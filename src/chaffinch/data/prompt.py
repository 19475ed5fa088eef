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
from chaffinch.data.chat import Chat
from chaffinch.data.column import Columns, need_name
from chaffinch.data.file import read_table
from chaffinch.data.prompt_columns import READ_NAMES
from chaffinch.data.prompt_format import read_cells


@dataclass(frozen=True, eq=False)
class Prompts:
    """N prompts with their responses.

    Attributes:
        ids: (N,) unique ids.
        prompts: (N,) prompts.
        responses: (N,) responses.
        frame: The table they came from, a row a sample.
        source: Where they came from, for people.
        rejected: (N,) responses that were liked less than these, or None.
        chats: (N,) conversations that end with the response, or None for plain texts.
        notes: Sentences on how they were read.
    """

    ids: Strings
    prompts: tuple[str, ...]
    responses: tuple[str, ...]
    frame: pd.DataFrame
    source: str
    rejected: tuple[str, ...] | None = None
    chats: tuple[Chat, ...] | None = None
    notes: tuple[str, ...] = ()

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
            rejected=None if self.rejected is None else tuple(self.rejected[r] for r in rows),
            chats=None if self.chats is None else tuple(self.chats[r] for r in rows),
        )

    @property
    def fingerprint(self) -> str:
        """Hash of ids, prompts, responses and what else belongs to them, in order."""
        columns: list[Sequence[str]] = [self.ids.tolist(), self.prompts, self.responses]
        if self.rejected is not None:
            columns.append(self.rejected)
        if self.chats is not None:
            columns.append([repr(chat) for chat in self.chats])
        rows = zip(*columns, strict=True)
        return digest(*(part.encode("utf-8", "surrogatepass") for row in rows for part in row))


def open_prompts(
    data: Any,
    *,
    prompt: str | None = None,
    response: str | None = None,
    id_column: str | None = None,
) -> Prompts:
    """Open prompts and responses, in any of the forms that are usual.

    These are a column of prompts and one of responses, with ``input``, ``context`` and ``system``
    beside them if need be (Alpaca and the like); ``messages`` or ``conversations``, lists of turns
    (the last turn of the assistant is the response); ``text`` with a mark before the response; and
    preferences with ``chosen`` and ``rejected``. The form is told by the columns, and the notes
    say which it was and which columns were not read.

    Args:
        data: A path or URL of a .jsonl, .json, .csv, .tsv, .parquet, .arrow or .feather file, a
            DataFrame, or a Hugging Face or Arrow table.
        prompt: Column of the prompt, or of conversations; by default the only one with a usual
            name.
        response: Column of the response; by default the only one with a usual name.
        id_column: Column of unique keys; by default ids are made from the content.

    Raises:
        InputError: No rows, no such column, or none of these forms. A row without a prompt or a
            response has an empty one: in a CSV there is no other way to write it.
    """
    for role, name in (("prompt", prompt), ("response", response), ("id", id_column)):
        if name is not None and not isinstance(name, str):
            raise InputError(f"text as the name of the {role} column", repr(name), "Name it")
    frame, source = _frame(data, tuple(name for name in (prompt, response, id_column) if name))
    if not len(frame):
        raise InputError(f"at least one row in {source}", "none", "Check the data")
    names = [str(name) for name in frame.columns]
    frame = frame.set_axis(names, axis=1)
    cells = read_cells(frame, prompt, response, source)
    if id_column is not None:
        keys = frame[need_name(names, id_column, "id", source)].astype(object)
        ids = ids_from_keys(keys.where(keys.notna(), None), id_column)
    else:
        columns = (cells.prompts, cells.responses, *filter(None, (cells.rejected,)))
        ids = ids_from_digests([_digest(*row) for row in zip(*columns, strict=True)])
    return Prompts(
        ids, cells.prompts, cells.responses, frame, source, cells.rejected, cells.chats, cells.notes
    )


def _frame(data: Any, wanted: tuple[str, ...]) -> tuple[pd.DataFrame, str]:
    """The table of the data, and what to call it."""
    if isinstance(data, str | os.PathLike):
        path = os.fspath(data)
        named = Columns(verbatim=(*wanted, *READ_NAMES))
        return read_table(os.path.expanduser(path), named), os.path.basename(path)
    if is_arrow_table(data):
        data = frame_of(data)
    elif hasattr(data, "to_pandas") and hasattr(data, "__len__"):  # of Hugging Face
        data = data.to_pandas()
    if isinstance(data, pd.DataFrame):
        return data.reset_index(drop=True), "DataFrame in memory"
    raise InputError(
        "a path or a DataFrame of prompts and responses",
        type(data).__name__,
        "Save them as JSON lines with the keys prompt and response",
    )


def _digest(*parts: str) -> str:
    return digest(*(part.encode("utf-8", "surrogatepass") for part in parts))
