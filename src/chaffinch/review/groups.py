"""Groups of samples that are likely to deserve the same decision."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from chaffinch.core import kinds
from chaffinch.report import wording
from chaffinch.report.kind import title_of
from chaffinch.report.projection import projection_of
from chaffinch.review.session import Session

WAYS = {
    "pair": "one given and suggested label",
    "copies": "copies of one another",
    "cluster": "near on the map",
    "kind": "one kind",
    "source": "one source or annotator",
}
"""By what samples can be grouped."""

_OF_A_CLUSTER = 30
_COPIES = (kinds.NEAR_DUPLICATE, kinds.CONFLICTING_DUPLICATE)


@dataclass(frozen=True)
class Group:
    """Rows to decide at once, the most suspicious first, under a key of its own and a title."""

    key: str
    title: str
    rows: tuple[int, ...]


def groups_by(session: Session, way: str) -> list[Group]:
    """The groups of flagged samples, the largest first; empty where there is no such grouping.

    Args:
        session: Who reviews what.
        way: One of `WAYS`.
    """
    keys = dict(_KEYS[way](session))
    suspicion = session.findings["suspicion"].to_numpy(np.float64)
    found: dict[tuple[str, str], list[int]] = {}
    for row in sorted(keys, key=lambda row: -suspicion[row]):
        found.setdefault(keys[row], []).append(row)
    made = [Group(key, title, tuple(rows)) for (key, title), rows in found.items()]
    return sorted(made, key=lambda one: -len(one.rows))


Keyed = Iterator[tuple[int, tuple[str, str]]]
"""Rows with the key and the title of their group."""


def _flagged(session: Session) -> list[int]:
    flagged = session.findings["flagged"].to_numpy(np.bool_)
    return np.flatnonzero(flagged & ~np.isin(session.queue.kinds, kinds.SET_ASIDE)).tolist()


def _pairs(session: Session) -> Keyed:
    code = {name: number for number, name in enumerate(session.classes)}
    for row in _flagged(session):
        given, other = session.given[row], session.suggested(row)
        if other is not None and given in code:
            title = f"{wording.clean(given)} → {wording.clean(other)}"
            yield row, (f"{code[given]}-{code[other]}", title)


def _kinds(session: Session) -> Keyed:
    for row in _flagged(session):
        name = session.queue.kinds[row]
        yield row, (name, wording.clean(title_of(name)))


def _copies(session: Session) -> Keyed:
    """Samples that are copies by their kind, each with the sample nearest to it."""
    leader: dict[int, int] = {}

    def first(row: int) -> int:
        while leader.get(row, row) != row:
            row = leader[row]
        return row

    for name, told in session.explanations.items():
        row = session.row_of.get(name)
        if row is None or session.queue.kinds[row] not in _COPIES or not told.neighbours:
            continue
        other = session.row_of.get(told.neighbours[0].id)
        if other is not None:
            leader[max(first(row), first(other))] = min(first(row), first(other))
            leader.setdefault(row, first(row))
            leader.setdefault(other, first(other))
    for row in sorted(leader):
        yield row, (str(first(row)), f"copies of {wording.clean(session.ids[first(row)])}")


def _clusters(session: Session) -> Keyed:
    rows = _flagged(session)
    projection = projection_of(session.folder)
    if projection is None or not rows:
        return
    at = pd.Index(projection.ids).get_indexer(pd.Index([session.ids[row] for row in rows]))
    placed = at >= 0
    points = projection.points[at[placed]]
    if not len(points):
        return
    for row, number in zip(np.asarray(rows)[placed].tolist(), _near(points), strict=True):
        yield row, (str(number), f"place {number + 1} on the map")


def _near(points: NDArray[np.float32]) -> list[int]:
    """(N,) number of the cluster of each point; about thirty points in each."""
    count = max(1, min(len(np.unique(points, axis=0)), len(points) // _OF_A_CLUSTER))
    clusters = KMeans(count, n_init=1, random_state=0).fit_predict(points)
    return [int(one) for one in clusters]


def _sources(session: Session) -> Keyed:
    basis = session.folder.basis
    judged = np.flatnonzero(~np.isin(session.queue.kinds, kinds.SET_ASIDE))
    groups = None if basis is None else basis.groups
    if groups is None or len(groups) != len(judged):
        return
    code = dict(zip(judged.tolist(), groups.codes.tolist(), strict=True))
    for row in _flagged(session):
        yield row, (str(code[row]), wording.clean(groups.names[code[row]]))


_KEYS = {
    "pair": _pairs,
    "copies": _copies,
    "cluster": _clusters,
    "kind": _kinds,
    "source": _sources,
}
