"""Conversations: lists of turns as chat data sets hold them."""

import ast
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chaffinch.core.errors import InputError

_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "ai": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "ipython": "tool",
}
_ROLE_KEYS, _CONTENT_KEYS = ("role", "from", "speaker"), ("content", "value", "text")
_NAMES = {"system": "System", "user": "User", "assistant": "Assistant", "tool": "Tool"}


@dataclass(frozen=True)
class Turn:
    """One turn of a conversation.

    Attributes:
        role: ``system``, ``user``, ``assistant`` or ``tool``.
        content: What is said.
    """

    role: str
    content: str


Chat = tuple[Turn, ...]


def is_chat(cell: Any) -> bool:
    """Whether a cell holds a list of turns, or one written as text."""
    if isinstance(cell, str):
        if not re.match(r"\s*\[\s*\{", cell):
            return False
        cell = _parsed(cell)
    if not isinstance(cell, list | tuple | np.ndarray) or not len(cell):
        return False
    return isinstance(cell[0], dict) and any(key in cell[0] for key in _ROLE_KEYS)


def read_chat(cell: Any, what: str) -> Chat:
    """Read the turns of one cell; a missing cell has none.

    Args:
        cell: A list of mappings with ``role`` and ``content`` (or ``from`` and ``value``), or such
            a list as JSON or as Python writes it.
        what: Which cell it is, for the error.

    Raises:
        InputError: Another value, or a role that is not known.
    """
    if cell is None or (isinstance(cell, float) and np.isnan(cell)):
        return ()
    found = _parsed(cell) if isinstance(cell, str) else cell
    if isinstance(found, str) and not found.strip():
        return ()
    if not isinstance(found, list | tuple | np.ndarray):
        raise InputError(
            f"a list of turns in {what}",
            f"{type(found).__name__} {str(found)[:60]!r}",
            'Write each turn as {"role": "user", "content": "..."}',
        )
    return tuple(_turn(one, what) for one in found)


def split_chat(chat: Chat) -> tuple[Chat, str]:
    """The turns before the last one of the assistant, and what that says; "" for none."""
    places = [place for place, turn in enumerate(chat) if turn.role == "assistant"]
    if not places:
        return chat, ""
    return chat[: places[-1]], chat[places[-1]].content


def text_of_chat(turns: Sequence[Turn]) -> str:
    """Turns as one text; who speaks is named where there is more than one question."""
    several = sum(turn.role != "system" for turn in turns) > 1
    parts = [f"{_NAMES[turn.role]}: {turn.content}" if several else turn.content for turn in turns]
    return "\n\n".join(part for part in parts if part.strip())


def _parsed(text: str) -> Any:
    """The list that a text writes down; the text itself where it is none."""
    # NumPy writes arrays of mappings without commas between them.
    for candidate in (text, re.sub(r"\}\s*\n?\s*\{", "}, {", text)):
        for parse in (json.loads, ast.literal_eval):
            try:
                found = parse(candidate)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
            return found if isinstance(found, list | tuple) else text
    return text


def _turn(one: Any, what: str) -> Turn:
    keys = one if isinstance(one, dict) else {}
    role = next((keys[key] for key in _ROLE_KEYS if keys.get(key) is not None), None)
    known = _ROLES.get(str(role).strip().lower())
    if known is None:
        raise InputError(
            f"turns of {', '.join(sorted(set(_ROLES.values())))} in {what}",
            f"the role {role!r}"
            if role is not None
            else f"a turn without a role ({str(one)[:60]})",
            "Rename the role, or leave these turns out",
        )
    content = next((keys[key] for key in _CONTENT_KEYS if keys.get(key) is not None), "")
    if not str(content).strip() and keys.get("tool_calls") is not None:
        content = json.dumps(keys["tool_calls"], default=str)
    return Turn(known, _flat(content))


def _flat(content: Any) -> str:
    """Content that may be a list of parts, as one text; what is no text is named."""
    if isinstance(content, list | tuple | np.ndarray):
        return "\n".join(_part(part) for part in content)
    return str(content)


def _part(part: Any) -> str:
    if not isinstance(part, dict):
        return str(part)
    text = part.get("text")
    return f"[{part.get('type', 'part')}]" if text is None else str(text)
