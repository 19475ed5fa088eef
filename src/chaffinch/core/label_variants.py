"""Labels that are probably the same one, written in several ways."""

import unicodedata

import numpy as np

from chaffinch.core.labels import Labels

_MOST_GROUPS = 5
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))
# Letters of Cyrillic and Greek that look like Latin ones in print.
_LOOK_ALIKE = str.maketrans(
    "авеёкмнорстухіјѕԁһԛԝьАВЕЁКМНОРСТУХІЈЅԌԚԜαβεζηικμνορτυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "abeekmhopctyxijsdhqwbABEEKMHOPCTYXIJSGQWabezhikmnoptuxABEZHIKMNOPTYX",
)


def variants(labels: Labels) -> list[list[int]]:
    """Classes that differ only in how they are written.

    That is in case, spaces, invisible or look-alike characters, or in how a number is written
    (1, 1.0, 01).

    Returns:
        Groups of codes, in each the most frequent first.
    """
    groups: dict[str, list[int]] = {}
    counts = labels.counts
    for code, name in enumerate(labels.names):
        if counts[code]:
            groups.setdefault(_key(name), []).append(code)
    several = [group for group in groups.values() if len(group) > 1]
    return [sorted(group, key=lambda code: (-counts[code], code)) for group in several]


def label_notes(labels: Labels) -> tuple[str, ...]:
    """Notes on classes that are probably one, with the merge that would mend it."""
    counts, names = labels.counts, labels.names
    groups = variants(labels)
    notes = []
    for group in groups[:_MOST_GROUPS]:
        listed = ", ".join(f"{names[code]!a} ({counts[code]:,})" for code in group)
        moved = int(counts[np.asarray(group[1:])].sum())
        notes.append(
            f"The labels {listed} differ only in how they are written and were taken for different "
            f"classes. If they are one, relabel the {moved:,} others to {names[group[0]]!a} and "
            "scan again."
        )
    if len(groups) > _MOST_GROUPS:
        notes.append(f"{len(groups) - _MOST_GROUPS} more groups of labels are alike in this way.")
    return tuple(notes)


def _key(name: str) -> str:
    text = unicodedata.normalize("NFKC", name).translate(_INVISIBLE).translate(_LOOK_ALIKE)
    text = " ".join(text.split()).casefold()
    try:
        number = float(text)
    except ValueError:
        return text
    return repr(number) if abs(number) < 2**53 else text
