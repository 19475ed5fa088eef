"""The forms in which data sets hold prompts and responses, recognised by their columns."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from chaffinch.core.errors import InputError
from chaffinch.data.chat import Chat, Turn, is_chat, read_chat, split_chat, text_of_chat
from chaffinch.data.column import few, need_name
from chaffinch.data.marked_text import mark_of, split_at
from chaffinch.data.prompt_columns import (
    CHAT_NAMES,
    CHOSEN,
    CONTEXT_NAMES,
    PROMPT_NAMES,
    REJECTED,
    RESPONSE_NAMES,
    SYSTEM_NAMES,
    TEXT,
    beside_names,
    choose_column,
    columns_named,
    texts_of,
    told,
)

_LOOKED_AT = 20


@dataclass(frozen=True, eq=False)
class PromptCells:
    """Prompts and responses as a table holds them.

    Attributes:
        prompts: N prompts as texts.
        responses: N responses.
        rejected: N responses that were liked less, or None.
        chats: N conversations up to the response, or None where the table holds plain texts.
        notes: Sentences on how the table was read.
    """

    prompts: tuple[str, ...]
    responses: tuple[str, ...]
    rejected: tuple[str, ...] | None = None
    chats: tuple[Chat, ...] | None = None
    notes: tuple[str, ...] = field(default=())


def format_of(frame: pd.DataFrame) -> str | None:
    """What kind of prompts a table holds, by its columns.

    Returns:
        ``preference``, ``chat``, ``pairs``, ``text``, or None for a table of another kind.
    """
    names = {str(name).lower(): name for name in frame.columns}
    if CHOSEN in names and REJECTED in names:
        return "preference"
    if sum(_holds_chats(frame, names[name]) for name in CHAT_NAMES if name in names) == 1:
        return "chat"
    prompts = [name for name in PROMPT_NAMES if name in names]
    if not prompts and "input" in names:
        prompts = ["input"]
    responses = [name for name in RESPONSE_NAMES if name in names]
    if len(prompts) == len(responses) == 1:
        return "pairs"
    if not prompts and not responses and TEXT in names and mark_of(texts_of(frame[names[TEXT]])):
        return "text"
    return None


def read_cells(
    frame: pd.DataFrame, prompt: str | None, response: str | None, source: str
) -> PromptCells:
    """Read prompts and responses.

    Args:
        frame: The table, with names of type str.
        prompt: The column that the user named, or None.
        response: The same for the response.
        source: Where the table came from, for people.

    Raises:
        InputError: Columns of no known form, or cells that do not fit the form.
    """
    if prompt is not None and response is None:
        name = need_name([str(one) for one in frame.columns], prompt, "prompt", source)
        if _holds_chats(frame, name):
            return _chats(frame, name, source)
    if prompt is None and response is None:
        form = format_of(frame)
        if form == "preference":
            return _preferences(frame, source)
        if form == "chat":
            name = next(n for n in columns_named(frame, CHAT_NAMES) if _holds_chats(frame, n))
            return _chats(frame, name, source)
        if form == "text":
            return _marked(frame, columns_named(frame, (TEXT,))[0])
    return _pairs(frame, prompt, response, source)


def _pairs(
    frame: pd.DataFrame, prompt: str | None, response: str | None, source: str
) -> PromptCells:
    """A column of prompts and one of responses, with what belongs to the prompt beside them."""
    names = [str(name) for name in frame.columns]
    usual = PROMPT_NAMES if columns_named(frame, PROMPT_NAMES) else (*PROMPT_NAMES, "input")
    asked = choose_column(names, prompt, usual, "prompt", source)
    given = choose_column(names, response, RESPONSE_NAMES, "response", source)
    # A column that the user names is meant as it is.
    also = () if prompt is not None else CONTEXT_NAMES
    behind = [name for name in columns_named(frame, also) if name not in (asked, given)]
    also = () if prompt is not None else SYSTEM_NAMES
    before = [name for name in columns_named(frame, also) if name not in (asked, given)]
    what = f"{asked!r} as the prompt" + beside_names(before, "after")
    what += beside_names(behind, "followed by") + f" and {given!r} as the response"
    note = told(what, frame, [asked, given, *behind, *before])
    if _holds_chats(frame, asked):
        return _of_chats(_answered(frame, asked, given, source), (note,))
    responses = texts_of(frame[given])
    if not before and not behind:
        return PromptCells(texts_of(frame[asked]), responses, notes=(note,))
    main = zip(*(texts_of(frame[name]) for name in (asked, *behind)), strict=True)
    bodies = ["\n\n".join(part for part in row if part.strip()) for row in main]
    heads = zip(*(texts_of(frame[name]) for name in before), strict=True) if before else ()
    systems = ["\n\n".join(part for part in row if part.strip()) for row in heads]
    prompts = [
        f"{system}\n\n{body}" if body and system else body  # a system prompt alone asks nothing
        for system, body in zip(systems or [""] * len(bodies), bodies, strict=True)
    ]
    return PromptCells(tuple(prompts), responses, notes=(note,))


def _answered(frame: pd.DataFrame, asked: str, given: str, source: str) -> list[Chat]:
    """Turns of the prompt with those of the response, which may also be a text."""
    texts = texts_of(frame[given])
    return [
        (*turns, *(read_chat(cell, f"{given!r}, row {row}") if is_chat(cell) else _said(text)))
        for row, (turns, cell, text) in enumerate(
            zip(_turns(frame[asked], asked, source), frame[given], texts, strict=True)
        )
    ]


def _said(text: str) -> Chat:
    return (Turn("assistant", text),)


def _chats(frame: pd.DataFrame, name: str, source: str) -> PromptCells:
    """A column of conversations, and perhaps one of what stands before them."""
    chats = _turns(frame[name], name, source)
    before = [one for one in columns_named(frame, SYSTEM_NAMES) if one != name]
    for system in before:
        said = texts_of(frame[system])
        chats = [
            (Turn("system", one), *chat) if one.strip() else chat
            for one, chat in zip(said, chats, strict=True)
        ]
    what = f"{name!r} as conversations" + beside_names(before, "after")
    return _of_chats(chats, (told(what, frame, [name, *before]),))


def _of_chats(chats: Sequence[Chat], notes: tuple[str, ...]) -> PromptCells:
    """Prompts and responses of conversations: the last turn of the assistant, and all before it."""
    split = [split_chat(chat) for chat in chats]
    kept = [
        (*turns, Turn("assistant", said)) if len(turns) < len(chat) else chat
        for chat, (turns, said) in zip(chats, split, strict=True)
    ]
    behind = sum(len(one) < len(chat) for one, chat in zip(kept, chats, strict=True))
    unsaid = sum(
        any(turn.role == "assistant" and not turn.content.strip() for turn in turns)
        for turns, _ in split
    )
    counts = {
        "with turns behind the last one of the assistant, which were left out": behind,
        "with an empty turn of the assistant before the last one": unsaid,
        "without a turn of the assistant": sum(
            all(turn.role != "assistant" for turn in chat) for chat in chats
        ),
    }
    more = tuple(f"Conversations {what}: {number:,}." for what, number in counts.items() if number)
    return PromptCells(
        tuple(text_of_chat(turns) for turns, _ in split),
        tuple(said for _, said in split),
        chats=tuple(kept),
        notes=(*notes, *more),
    )


def _preferences(frame: pd.DataFrame, source: str) -> PromptCells:
    """Two responses to a prompt, of which one was preferred."""
    chosen, rejected = (columns_named(frame, (name,))[0] for name in (CHOSEN, REJECTED))
    asked = columns_named(frame, PROMPT_NAMES)
    note = told(
        f"{chosen!r} as the response and {rejected!r} as the one liked less",
        frame,
        [chosen, rejected, *asked[:1]],
    )
    if _holds_chats(frame, chosen):
        liked, other = (_turns(frame[name], name, source) for name in (chosen, rejected))
        if asked and any(len(chat) == 1 for chat in liked):  # the answers alone
            before = _prompt_turns(frame, asked[0], source)
            liked = [
                (*one, *chat) if len(chat) == 1 else chat
                for one, chat in zip(before, liked, strict=True)
            ]
        cells = _of_chats(liked, (note,))
        return PromptCells(
            cells.prompts,
            cells.responses,
            tuple(split_chat(one)[1] for one in other),
            cells.chats,
            cells.notes,
        )
    good, bad = texts_of(frame[chosen]), texts_of(frame[rejected])
    if asked:
        return PromptCells(texts_of(frame[asked[0]]), good, bad, notes=(note,))
    marker = mark_of(good)
    if marker is None:
        raise InputError(
            f"a prompt column beside {chosen!r} and {rejected!r} in {source}",
            f"the columns {few(frame.columns)}",
            "Add the prompts, or write both as lists of turns",
        )
    split = [split_at(one, marker) for one in good]
    return PromptCells(
        tuple(one for one, _ in split),
        tuple(one for _, one in split),
        tuple(split_at(one, marker)[1] for one in bad),
        notes=(note,),
    )


def _prompt_turns(frame: pd.DataFrame, name: str, source: str) -> list[Chat]:
    if _holds_chats(frame, name):
        return _turns(frame[name], name, source)
    return [(Turn("user", one),) for one in texts_of(frame[name])]


def _marked(frame: pd.DataFrame, name: str) -> PromptCells:
    """Texts that hold prompt and response, with a mark between them."""
    marker = mark_of(texts_of(frame[name])) or ""
    split = [split_at(one, marker) for one in texts_of(frame[name])]
    without = sum(not asked and bool(said) for asked, said in split)
    notes = [told(f"{name!r} as prompt and response, split at {marker.strip()!r}", frame, [name])]
    if without:
        notes.append(
            f"Texts without {marker.strip()!r}, which therefore have no prompt: {without:,}."
        )
    return PromptCells(tuple(p for p, _ in split), tuple(r for _, r in split), notes=tuple(notes))


def _turns(column: "pd.Series[Any]", name: str, source: str) -> list[Chat]:
    return [read_chat(cell, f"{name!r} of {source}, row {row}") for row, cell in enumerate(column)]


def _holds_chats(frame: pd.DataFrame, name: str) -> bool:
    cells = frame[name].dropna()
    return bool(len(cells)) and any(map(is_chat, cells.iloc[:_LOOKED_AT]))
