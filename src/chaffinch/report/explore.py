"""What the part of the page that can be explored holds: a map of all samples, and a list."""

import base64
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from numpy.typing import NDArray

from chaffinch.core import kinds
from chaffinch.core.sample_groups import SampleGroups
from chaffinch.core.types import Codes, Mask
from chaffinch.report import wording
from chaffinch.report.kind import title_of, words_of
from chaffinch.report.projection import Projection
from chaffinch.report.wording import Naming
from chaffinch.store.album import Album

MOST_POINTS = 100_000
MOST_LISTED = 20_000
_MOST_GROUPS = 500
_LEAST_LISTED = 12
_NONE = 65_535
_ID_BYTES, _WHY_BYTES, _TEXT_BYTES = 2_200_000, 1_600_000, 3_200_000
_SHORTEST = 40
_FLAGGED, _ASIDE, _NEWLY, _NO_LONGER, _PLACED = 1, 2, 4, 8, 16


@dataclass(frozen=True, eq=False)
class Sources:
    """Everything that is laid out.

    Attributes:
        findings: (N rows) as people's answers left them.
        before: As the scan left them; None where nobody answered.
        naming: The names of the classes.
        projection: Where the samples lie; None where that is not known.
        groups: Of the judged samples, in the order of the findings; None where there are none.
        album: The flagged samples in small.
    """

    findings: pd.DataFrame
    naming: Naming
    album: Album
    before: pd.DataFrame | None = None
    projection: Projection | None = None
    groups: SampleGroups | None = None


def lay_out(sources: Sources) -> dict[str, Any]:
    """The samples as columns that a script reads: numbers packed, names once.

    At most 100,000 samples are laid out, all flagged ones among them. Of the first ``listed``, the
    flagged ones, it is told why they are, and what a person sees of them.

    Returns:
        Plain values for JSON. Columns of numbers are base64 of little-endian ``uint16`` (``x``,
        ``y``, ``suspicion``, each 0..65535 for 0..1; codes, 65535 for none) or ``uint8``
        (``kind``, ``flags``).
    """
    table = sources.findings
    suspicion = table["suspicion"].to_numpy(np.float64)
    flagged = table["flagged"].to_numpy(np.bool_)
    ids = table["id"].astype(str).to_numpy()
    said = _kinds(table)
    names, codes = np.unique(said, return_inverse=True)
    given = sources.naming.encode(table["given_label"])
    suggested = sources.naming.encode(table["suggested_label"])
    x, y, placed = _places(ids, sources.projection)
    flags = _flags(flagged, said, sources.before)
    flags[placed] |= _PLACED
    rows, listed = _chosen(suspicion, flags)
    return {
        "count": len(rows),
        "total": len(table),
        "listed": listed,
        "classes": [wording.clean(name) for name in sources.naming.classes],
        "labelled": sources.naming.labelled,
        "kinds": [_kind(str(name), sources.naming) for name in names],
        "method": "" if sources.projection is None else sources.projection.method,
        "answered": sources.before is not None,
        "ids": _ids(table, ids, rows, listed),
        "x": _packed(x[rows]),
        "y": _packed(y[rows]),
        "suspicion": _packed(suspicion[rows]),
        "given": _coded(given[rows]),
        "suggested": _coded(suggested[rows]),
        "kind": _bytes(codes.ravel()[rows].astype(np.uint8)),
        "flags": _bytes(flags[rows]),
        **_groups(table, said, sources.groups, rows),
        **_told(table, rows[:listed], sources.album),
    }


def _chosen(
    suspicion: NDArray[np.float64], flags: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], int]:
    """Rows in the order of the list, and of how many first ones the page tells more.

    First those flagged, then those that answers cleared, then those not judged, then the others;
    each the most suspicious first. Of too many others every so many is laid out.
    """
    rank = np.select(
        [flags & _FLAGGED > 0, flags & _NO_LONGER > 0, flags & _ASIDE > 0], [0, 1, 2], 3
    )
    order = np.lexsort((-suspicion, rank))
    first = int((rank < 3).sum())
    if len(order) > MOST_POINTS:
        first = min(first, MOST_POINTS)
        rest = order[int((rank < 3).sum()) :]
        spread = np.linspace(0, len(rest) - 1, MOST_POINTS - first).round().astype(np.int64)
        order = np.concatenate([order[:first], rest[np.unique(spread)] if len(rest) else rest])
    return order.astype(np.int64), min(max(first, _LEAST_LISTED), MOST_LISTED, len(order))


def _kinds(table: pd.DataFrame) -> NDArray[np.str_]:
    flagged = table["flagged"].to_numpy(np.bool_)
    usual = np.where(flagged, "flagged", "not flagged").astype("<U64")
    if "kind" not in table:
        return usual
    said = table["kind"]
    return np.where(said.isna(), usual, said.astype(str).to_numpy().astype("<U64"))


def _kind(name: str, naming: Naming) -> dict[str, Any]:
    quiet = name in (kinds.CLEAN, "not flagged")
    order = list(words_of(naming))
    colour = order.index(name) if name in order else 0  # the same in every report
    title = wording.clean(title_of(name, naming))
    return {"name": wording.clean(name), "title": title, "colour": -1 if quiet else colour}


def _flags(flagged: Mask, said: NDArray[np.str_], before: pd.DataFrame | None) -> NDArray[np.uint8]:
    aside = np.isin(said, kinds.SET_ASIDE)
    flags = (flagged & ~aside) * _FLAGGED | aside * _ASIDE
    if before is not None and len(before) == len(flagged):
        then = before["flagged"].to_numpy(np.bool_)
        flags = flags | (flagged & ~then) * _NEWLY | (~flagged & then) * _NO_LONGER
    return np.asarray(flags, np.uint8)


def _places(
    ids: NDArray[Any], projection: Projection | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], Mask]:
    """(N,) x and y, and of which samples they are known."""
    points, placed = np.zeros((len(ids), 2)), np.zeros(len(ids), np.bool_)
    if projection is not None and len(projection.ids):
        at = pd.Index(projection.ids).get_indexer(pd.Index(ids.astype(np.str_)))
        placed = at >= 0
        points[placed] = projection.points[at[placed]]
    return points[:, 0], points[:, 1], placed


def _groups(
    table: pd.DataFrame, said: NDArray[np.str_], groups: SampleGroups | None, rows: Codes
) -> dict[str, Any]:
    judged = np.flatnonzero(~np.isin(said, kinds.SET_ASIDE))
    if groups is None or len(groups) != len(judged) or len(groups.names) > _MOST_GROUPS:
        return {"groups": [], "group": "", "group_name": ""}
    codes = np.full(len(table), -1, np.int64)
    codes[judged] = groups.codes
    return {
        "groups": [wording.clean(name) for name in groups.names],
        "group": _coded(codes[rows]),
        "group_name": wording.clean(groups.column),
    }


def _told(table: pd.DataFrame, rows: Codes, album: Album) -> dict[str, Any]:
    """Of the listed samples: why, how sure, where they are, and what is seen of them."""
    part = table.iloc[rows]
    ids = part["id"].astype(str).tolist()
    why = part["why"].fillna("").astype(str) if "why" in part else [""] * len(part)
    at = {} if album.sprite is None else {one: n for n, one in enumerate(album.sprite.ids)}
    sources = part["source"].fillna("").astype(str) if "source" in part else [""] * len(part)
    places = part["row"].tolist() if "row" in part else [None] * len(part)
    return {
        "why": _shortened([wording.clean(one) for one in why], _WHY_BYTES),
        "confidence": [wording.score(one, 2) for one in part["suggestion_confidence"]],
        "q": [wording.rate(one) for one in part["q_value"]],
        "text": _shortened([wording.clean(album.texts.get(one, "")) for one in ids], _TEXT_BYTES),
        "thumbnail": [at.get(one, -1) for one in ids],
        "place": [_place(row, source) for row, source in zip(places, sources, strict=True)],
        "sprite": album.sprite.model_dump(include={"side", "across"}) if album.sprite else None,
    }


def _place(row: Any, source: str) -> str:
    parts = [] if wording.is_missing(row) else [f"row {int(row)}"]
    return ", ".join([*parts, *([wording.clean(source)] if source else [])])


def _ids(table: pd.DataFrame, ids: NDArray[Any], rows: Codes, listed: int) -> list[str]:
    """Ids; where they are long, of the samples that are not listed only the row."""
    names = [wording.clean(one) for one in ids[rows]]
    if sum(map(len, names)) <= _ID_BYTES or "row" not in table:
        return names
    places = table["row"].to_numpy()[rows[listed:]].tolist()
    return [*names[:listed], *(f"row {place}" for place in places)]


def _shortened(texts: list[str], most: int) -> list[str]:
    """The texts, each cut to the same length if they are too many bytes together."""
    length = max(map(len, texts), default=0)
    while sum(len(one.encode()) for one in texts) > most and length > _SHORTEST:
        length = max(_SHORTEST, int(length * 0.8))
        texts = [wording.clip(one, length) for one in texts]
    return texts


def as_json(value: object) -> Markup:
    """JSON that can stand in a page, whatever it holds."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in "<>&'\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def _packed(values: NDArray[np.float64]) -> str:
    """Numbers in 0..1 as 16 bits each."""
    whole = np.nan_to_num(np.clip(values, 0, 1), nan=0.0) * 65_535
    return _bytes(whole.round().astype("<u2"))


def _coded(codes: Codes) -> str:
    return _bytes(np.where((codes < 0) | (codes >= _NONE), _NONE, codes).astype("<u2"))


def _bytes(values: NDArray[Any]) -> str:
    return base64.b64encode(values.tobytes()).decode()
