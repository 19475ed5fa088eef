"""Columns that are no features: identifiers, constants, copies of one another."""

from collections import defaultdict
from typing import Any

from chaffinch.checks.cells import Cells
from chaffinch.checks.identifier import is_identifier
from chaffinch.checks.registry import Finding, register
from chaffinch.checks.subject import Subject

_NEARLY = 0.999


@register(
    "identifiers",
    "columns",
    ("frame",),
    remedy="Leave them out of the features, or name one as the id",
    basis="A running number or a key is different in every row",
)
def identifiers(subject: Subject) -> Finding:
    """Columns that only name the row."""
    frame = subject.cells.frame
    found = [str(name) for name in frame.columns if is_identifier(frame[name])]
    return Finding("", "low", names=found)


@register(
    "constant_columns",
    "columns",
    ("frame",),
    remedy="Leave them out; check whether values were lost",
    basis="A column of one value tells nothing apart",
)
def constant_columns(subject: Subject) -> Finding:
    """Columns of a single value."""
    shares = commonest(subject.cells)
    found = [name for name, share in shares.items() if share == 1 and len(subject) > 1]
    return Finding("", "low", names=found)


@register(
    "near_constant_columns",
    "columns",
    ("frame",),
    remedy="Leave them out unless the rare values matter",
    basis="One value in more than 99.9 % of the rows",
)
def near_constant_columns(subject: Subject) -> Finding:
    """Columns of almost a single value."""
    shares = commonest(subject.cells)
    found = [name for name, share in shares.items() if _NEARLY < share < 1]
    return Finding("", "low", names=sorted(found, key=lambda name: -shares[name]))


@register(
    "duplicate_columns",
    "columns",
    ("frame",),
    remedy="Keep one of each group",
    basis="Equal cells, or the same partition of the rows by other values",
)
def duplicate_columns(subject: Subject) -> Finding:
    """Columns that hold the same as another."""
    groups = equal_columns(subject.cells)
    return Finding("", "low", names=[" = ".join(map(str, group)) for group in groups])


def commonest(cells: Cells) -> dict[str, float]:
    """By column, the share of the rows with the commonest value; a missing cell is a value."""
    return {
        name: float(cells.shares(place).max(initial=0)) for place, name in enumerate(cells.names)
    }


def equal_columns(cells: Cells) -> list[list[str]]:
    """Groups of columns that part the rows alike, so that one follows from the other.

    Cells may be written in other ways (codes and names of the same levels). Constant columns are
    in no group, nor are columns that are different in most rows unless their cells are equal.
    """
    alike: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for place, name in enumerate(cells.names):
        count = len(cells.levels[place])
        if count > 1:
            # Codes count up in the order of the rows: equal ones are the same partition.
            varied = count >= len(cells.codes) / 2
            content = tuple(map(str, cells.levels[place])) if varied else ()
            alike[cells.codes[:, place].tobytes(), content].append(name)
    return [group for group in alike.values() if len(group) > 1]
