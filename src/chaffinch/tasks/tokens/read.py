"""Tagged sentences from tables, Hugging Face data sets and CoNLL files."""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from chaffinch.core.errors import InputError
from chaffinch.data.huggingface import is_huggingface
from chaffinch.tasks.tokens.spans import Span, tags_of

CONLL = (".conll", ".iob", ".bio")
TOKENS = ("tokens", "words")
TAGS = ("tags", "ner_tags", "labels", "label")
SPANS = ("entities", "spans")
_TEXT = "text"
_TAG = re.compile(r"O|[BI]-.+")
_WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True, eq=False)
class Tagged:
    """S sentences with one BIO tag a token.

    Attributes:
        sentences: Tokens of each, without spaces in them.
        tags: Tags of each; None where a sentence has none.
        frame: The columns beside; None for CoNLL files.
    """

    sentences: list[list[str]]
    tags: list[list[str] | None]
    frame: pd.DataFrame | None = None


def is_conll(data: Any) -> bool:
    """Whether the name is that of a CoNLL file."""
    return isinstance(data, str | os.PathLike) and Path(data).suffix.lower() in CONLL


def has_tags(columns: Sequence[Any]) -> bool:
    """Whether a table with these columns holds tagged sentences."""
    names = {str(one) for one in columns}
    tagged = bool(names & set(TOKENS)) and bool(names & {"tags", "ner_tags"})
    return tagged or (_TEXT in names and bool(names & set(SPANS)))


def read_tagged(data: Any, label: str | None = None) -> Tagged:
    """Read tagged sentences.

    Args:
        data: A CoNLL file (a token and its tag a line, first and last column; an empty line
            between sentences), a DataFrame or a Hugging Face data set with the columns
            ``tokens`` and ``tags`` or ``ner_tags`` (lists, or texts with spaces between), or
            with ``text`` and ``entities`` or ``spans`` (start, end and label of each, in
            characters).
        label: Column of the tags or spans; by default a usual name.

    Raises:
        InputError: No such columns, tags that are not BIO, or not one a token.
    """
    if isinstance(data, str | os.PathLike):
        return _from_conll(Path(data))
    names: list[str] | None = None
    if is_huggingface(data):
        label = label or _usual(data.column_names, (*TAGS, *SPANS))
        names = _class_names(data.features.get(label)) if label else None
        data = data.to_pandas()
    if not isinstance(data, pd.DataFrame):
        raise InputError(
            "a DataFrame, a Hugging Face data set or a CoNLL file of tagged sentences",
            f"a {type(data).__name__}",
            "Pass a table with the columns tokens and tags",
        )
    return _from_table(data, label, names)


def _from_table(frame: pd.DataFrame, label: str | None, names: list[str] | None) -> Tagged:
    tokens = _usual(list(frame.columns), TOKENS)
    label = label or _usual(list(frame.columns), TAGS if tokens else SPANS)
    if label not in frame or (tokens is None and _TEXT not in frame):
        raise InputError(
            "columns tokens and tags (or ner_tags), or text and entities (or spans)",
            f"columns {', '.join(map(str, frame.columns[:20]))}",
            "Rename the columns, or name that of the tags by --label (label=)",
        )
    if tokens is None:
        pairs = [
            _of_spans(str(text), _cell(cell), row)
            for row, (text, cell) in enumerate(zip(frame[_TEXT], frame[label], strict=True))
        ]
        return Tagged([one for one, _ in pairs], [tags for _, tags in pairs], frame)
    sentences = [[_plain(one) for one in _cell(cell) or []] for cell in frame[tokens]]
    tags: list[list[str] | None] = []
    for row, cell in enumerate(frame[label]):
        given = _cell(cell)
        if given is not None and names is not None:
            given = [names[int(one)] for one in given]
        tags.append(_checked(given, len(sentences[row]), f"row {row}"))
    return Tagged(sentences, tags, frame)


def _from_conll(path: Path) -> Tagged:
    if not path.is_file():
        raise InputError("a CoNLL file", f"no file {path}", "Check the path")
    sentences: list[list[str]] = [[]]
    tags: list[list[str]] = [[]]
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        cells = line.split()
        if not cells or cells[0] == "-DOCSTART-":
            if sentences[-1]:
                sentences.append([])
                tags.append([])
            continue
        if len(cells) < 2:
            raise InputError(
                "a token and its tag in each line", f"line {number}: {line!r}", "Check the file"
            )
        sentences[-1].append(cells[0])
        tags[-1].append(cells[-1])
    kept = [k for k, one in enumerate(sentences) if one]
    return Tagged(
        [sentences[k] for k in kept],
        [_checked(tags[k], len(sentences[k]), f"sentence {k + 1}") for k in kept],
    )


def _usual(columns: Sequence[Any], names: Sequence[str]) -> str | None:
    return next((name for name in names if name in columns), None)


def _class_names(feature: Any) -> list[str] | None:
    """Names behind the numbers of a sequence of ClassLabel."""
    inner = getattr(feature, "feature", None)
    if inner is None and isinstance(feature, list) and feature:
        inner = feature[0]
    found = getattr(inner, "names", None)
    return None if found is None else list(found)


def _cell(cell: Any) -> list[Any] | None:
    """A list from a list, an array, JSON or words with spaces between; None if missing."""
    if isinstance(cell, list | tuple | np.ndarray):
        return list(cell)
    if not isinstance(cell, str):
        return None
    if cell.lstrip().startswith("["):
        try:
            return list(json.loads(cell))
        except ValueError:
            pass
    return cell.split()


def _plain(token: Any) -> str:
    """A token without spaces, and never empty, so that a sentence is its tokens with spaces."""
    return "_".join(str(token).split()) or "_"


def _checked(tags: list[Any] | None, length: int, where: str) -> list[str] | None:
    if tags is None:
        return None
    wrong = next((one for one in tags if not _TAG.fullmatch(str(one))), None)
    if wrong is not None:
        raise InputError(
            "BIO tags (O, B-TYPE, I-TYPE)", f"{wrong!r} in {where}", "Convert the tags first"
        )
    if len(tags) != length:
        raise InputError(
            f"one tag for each of {length} tokens in {where}", f"{len(tags)}", "Check the row"
        )
    return [str(one) for one in tags]


def _of_spans(
    text: str, entities: list[Any] | None, row: int
) -> tuple[list[str], list[str] | None]:
    found = list(_WORD.finditer(text))
    words = [one.group() for one in found]
    if entities is None:
        return words, None
    spans = []
    for entity in entities:
        start, end, kind = _ends(entity, row)
        inside = [k for k, one in enumerate(found) if one.start() < end and one.end() > start]
        if inside:
            spans.append(Span(inside[0], inside[-1] + 1, kind))
    if any(one.overlaps(two) for k, one in enumerate(spans) for two in spans[:k]):
        raise InputError("entities that do not overlap", f"row {row}", "Keep one of them")
    return words, tags_of(spans, len(words))


def _ends(entity: Any, row: int) -> tuple[int, int, str]:
    try:
        if isinstance(entity, dict):
            return int(entity["start"]), int(entity["end"]), str(entity["label"])
        start, end, kind = entity
        return int(start), int(end), str(kind)
    except (KeyError, TypeError, ValueError):
        raise InputError(
            "start, end and label of each entity", f"{entity!r} in row {row}", "Check the column"
        ) from None


def words_and_tags(texts: Sequence[str], labels: Sequence[str]) -> Tagged:
    """The sentences behind texts and labels of a data set that was made of them."""
    return Tagged([one.split(" ") for one in texts], [one.split(" ") for one in labels])
