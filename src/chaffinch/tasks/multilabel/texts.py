"""Tags of a sample as one text, ``sports; politics``, which findings, reports and plans show.

A sample without a tag has the text ``(none)``, one without a label has no text, and a tag that is
not known to hold or not to hold has a question mark before it.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from chaffinch.core.errors import InputError
from chaffinch.data.column import few
from chaffinch.tasks.multilabel.tags import ABSENT, PRESENT, UNKNOWN, Tags

NO_TAG = "(none)"
"""The text of a sample that is known to have no tag."""

UNSURE = "?"
"""Before a tag of which it is not known whether it holds."""

_SEPARATORS = ("; ", ";", " | ", "|", ", ", ",")
_MOST_TAGS = 1_000
_LEAST_USES = 3
"""How often tags of a column that nobody called one must come on average: words of texts do not."""

_LEAST_JOINED = 0.05


def find_separator(texts: Iterable[str], least_uses: float = _LEAST_USES) -> str:
    """What stands between tags; "" where texts hold one tag each, or are no tags.

    Args:
        texts: The labels.
        least_uses: How often each tag must come on average.
    """
    known = [text for text in texts if text and text != NO_TAG]
    for separator in _SEPARATORS:
        with_it = [text for text in known if separator in text]
        if not with_it or len(with_it) < _LEAST_JOINED * len(known):
            continue
        parts = [part.strip() for text in known for part in text.split(separator)]
        different = set(parts)
        if "" in different or len(different) > _MOST_TAGS:
            continue
        # "Austin, TX" is one class: there are fewer such texts than parts.
        combined = not least_uses or len(set(known)) > len(different)
        if combined and len(parts) >= least_uses * len(different):
            return separator
    return ""


def parse_texts(texts: Sequence[str | None], names: Sequence[str] = ()) -> Tags:
    """The tags that texts hold.

    Args:
        texts: (N,) as from `read_texts`; None where a sample has no label.
        names: (K,) the tags to look for; by default all there are, sorted.

    Raises:
        InputError: No text has a tag.
    """
    separator = find_separator((text for text in texts if text), least_uses=0)
    split = [None if text is None else split_text(text, separator) for text in texts]
    found = {name.removeprefix(UNSURE) for row in split if row for name in row}
    names = names or sorted(found)
    if not names:
        raise InputError("labels with tags", "not one tag", "Name the right column with --label")
    place = {name: column for column, name in enumerate(names)}
    values = np.full((len(split), len(names)), ABSENT, np.int8)
    for row, told in enumerate(split):
        if told is None:
            values[row] = UNKNOWN
            continue
        for name in told:
            column = place.get(name.removeprefix(UNSURE))
            if column is not None:
                values[row, column] = UNKNOWN if name.startswith(UNSURE) else PRESENT
    return Tags(values, tuple(names))


def split_text(text: str, separator: str) -> list[str]:
    """The tags of one text, in its order."""
    if text == NO_TAG:
        return []
    parts = text.split(separator) if separator else [text]
    return [part.strip() for part in parts if part.strip()]


def changed_text(text: str, separator: str, add: Sequence[str], remove: Sequence[str]) -> str:
    """A text with other tags; the order of those that stay is kept, new ones come last."""
    added, gone = list(add), {*remove, *(UNSURE + name for name in (*add, *remove))}
    kept = [name for name in split_text(text, separator) if name not in gone]
    return (separator or separator_for([*kept, *added])).join([*kept, *added]) or NO_TAG


def separator_for(names: Iterable[str]) -> str:
    """A separator that none of the tags contains.

    Raises:
        InputError: There is none.
    """
    every = set(names)
    for separator in ("; ", " | ", ", "):
        if not any(separator.strip() in name for name in every):
            return separator
    raise InputError("tags without ; or | or commas in them", few(sorted(every)), "Rename some")
