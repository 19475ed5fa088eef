"""Which columns of a table hold prompts, responses and what belongs to them."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from chaffinch.core.errors import InputError
from chaffinch.data.column import few, need_name

PROMPT_NAMES = ("prompt", "instruction", "question", "query")
"""Columns that are taken for the prompt where none is named, in upper or lower case."""

RESPONSE_NAMES = ("response", "completion", "output", "answer")
"""The same for the response."""

CHAT_NAMES = ("messages", "conversations", "conversation", "chat", "dialog", "dialogue")
"""The same for lists of turns."""

CONTEXT_NAMES = ("input", "context")
"""Columns that belong to the prompt and follow it."""

SYSTEM_NAMES = ("system", "system_prompt")
"""Columns that belong to the prompt and stand before it."""

CHOSEN, REJECTED, TEXT = "chosen", "rejected", "text"

READ_NAMES = (
    *PROMPT_NAMES,
    *RESPONSE_NAMES,
    *CHAT_NAMES,
    *CONTEXT_NAMES,
    *SYSTEM_NAMES,
    CHOSEN,
    REJECTED,
    TEXT,
)
"""All names that a column of prompts may have by default."""


def columns_named(frame: pd.DataFrame, usual: Sequence[str]) -> list[str]:
    """The columns with a usual name, in the order of these."""
    return [str(n) for one in usual for n in frame.columns if str(n).lower() == one]


def told(what: str, frame: pd.DataFrame, read: Sequence[str]) -> str:
    """How a table was read, and which columns were not."""
    others = [str(name) for name in frame.columns if name not in read]
    return f"Read {what}" + (f"; not read: {few(others)}." if others else ".")


def beside_names(names: Sequence[str], how: str) -> str:
    """Further columns of a role, for a note; "" for none."""
    return f" {how} {' and '.join(map(repr, names))}" if names else ""


def choose_column(
    names: Sequence[str], wanted: str | None, usual: Sequence[str], role: str, source: str
) -> str:
    """Find the column of a role: the one named, else the only one with a usual name.

    Raises:
        InputError: The named column is not there, or none or several have a usual name.
    """
    if wanted is not None:
        return need_name(names, wanted, role, source)
    found = [name for name in names if name.lower() in usual]
    if len(found) == 1:
        return found[0]
    raise InputError(
        f"one {role} column in {source} (one of {', '.join(usual)}; or {CHAT_NAMES[0]}, "
        f"{CHAT_NAMES[1]}, {CHOSEN} and {REJECTED}, or {TEXT} with a mark before the response)",
        f"the columns {few(found or names)}",
        f"Name the right one with --{role} ({role}= in Python)",
    )


def texts_of(column: "pd.Series[Any]") -> tuple[str, ...]:
    """Cells as texts; what is missing is empty."""
    cells = column.astype(object)
    return tuple(str(one) for one in cells.where(cells.notna(), ""))
