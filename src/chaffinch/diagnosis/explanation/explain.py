"""From evidence and findings to explanations."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from chaffinch.core import kinds
from chaffinch.core.errors import InputError
from chaffinch.core.evidence import Evidence
from chaffinch.core.explanation import (
    Explanation,
    Firing,
    Influence,
    Neighbour,
)
from chaffinch.core.findings import COLUMNS
from chaffinch.core.types import Floats, Mask
from chaffinch.diagnosis.explanation.influence import can_tell_influence, strongest
from chaffinch.diagnosis.explanation.sentence import Words, sentence
from chaffinch.diagnosis.explanation.view import View, look
from chaffinch.diagnosis.stability import stability

STABILITY, WHY = "stability", "why"
PROTECTED = (kinds.NEAR_CLUSTER, kinds.HARD)
"""Kinds that are reported so that nobody takes them out."""

_BY_INPUTS = (kinds.FAR_CLUSTER, kinds.NEAR_CLUSTER, kinds.OUTLIER, kinds.NEAR_DUPLICATE)
"""Kinds that are seen by the inputs, so that losses neither confirm nor deny them."""

_FIRES, _TELLING = 0.95, 0.98
_MOST_FIRING = 5
_MOST_INFLUENCES = 3
_MOST_PROTECTED = 24
_MOST_TOLD = 20_000


def describe(
    table: pd.DataFrame, evidence: Evidence, repeats: Sequence[Evidence] = ()
) -> pd.DataFrame:
    """The findings table with the columns ``stability`` and ``why`` before the scorers.

    Args:
        table: Findings without them, in the order of the evidence.
        evidence: What they were judged by.
        repeats: Evidence of further trainings.

    Returns:
        A new table. ``why`` is empty for samples that are neither flagged nor of a kind of note
        (anything but clean), and for all but the surest 20,000 of those that are of such a kind
        and not flagged; explain them by their id. ``stability`` is NaN for kinds that are
        seen by the inputs and not by losses.
    """
    flagged = table["flagged"].to_numpy(np.bool_)
    said = table["kind"].to_numpy().astype(np.str_)
    words = _words(table, evidence)
    told = flagged | (said != kinds.CLEAN)
    _spare(told, flagged, table["kind_probability"].to_numpy(np.float64))
    why = np.full(len(table), "", dtype=object)
    for row in np.flatnonzero(told).tolist():
        why[row] = sentence(words, row)
    made = table.copy()
    place = sum(name in COLUMNS and name not in (STABILITY, WHY) for name in made.columns)
    steady = stability(evidence, flagged, repeats)
    made.insert(place, STABILITY, np.where(np.isin(said, _BY_INPUTS), np.nan, steady))
    made.insert(place + 1, WHY, why)
    return made


def _spare(told: Mask, flagged: Mask, sure: Floats) -> None:
    """Of very many samples that are not flagged, leave only the surest to be told about."""
    others = np.flatnonzero(told & ~flagged)
    if len(others) > _MOST_TOLD:
        order = np.argsort(-sure[others], kind="stable")
        told[others[order[_MOST_TOLD:]]] = False


def explain(
    evidence: Evidence, table: pd.DataFrame, ids: Iterable[str] | None = None
) -> list[Explanation]:
    """Explain samples.

    Args:
        evidence: What they were judged by.
        table: The findings, in the order of the evidence.
        ids: Which samples; by default the flagged ones, most suspicious first, and after them at
            most 24 of each kind that is protected.

    Raises:
        InputError: An id that the findings do not hold, or findings of other samples.
    """
    if list(map(str, table["id"])) != list(map(str, evidence.ids)):
        raise InputError(
            "findings and evidence of the same samples in the same order",
            f"{len(table)} and {len(evidence)} samples with other ids",
            "Pass those of one run",
        )
    rows = _noteworthy(table) if ids is None else _rows_of(table, ids)
    words, view = _words(table, evidence), look(evidence)
    percentiles = _percentiles(table)
    pull = (None, None)
    if can_tell_influence(evidence) and len(rows):
        pull = strongest(evidence, rows, _MOST_INFLUENCES)  # type: ignore[assignment]
    steady = table[STABILITY].to_numpy(np.float64) if STABILITY in table else None
    return [
        Explanation(
            id=str(evidence.ids[row]),
            given_label=words.given(row),
            kind=str(words.said[row]),
            suspicion=float(table["suspicion"].iloc[row]),
            why=_told(table, row) or sentence(words, row),
            firing=_firing(percentiles, row),
            neighbours=_neighbours(words, row),
            stability=None if steady is None or np.isnan(steady[row]) else float(steady[row]),
            row=int(table["row"].iloc[row]) if "row" in table else None,
            source=str(table["source"].iloc[row]) if "source" in table else "",
            **_influences(words, pull, place),
            **_loss(view, row),
            **_counterfactual(words, row),
        )
        for place, row in enumerate(rows.tolist())
    ]


def _told(table: pd.DataFrame, row: int) -> str:
    """The sentence that the findings hold: further rounds may rest on other evidence."""
    return str(table[WHY].iloc[row] or "") if WHY in table else ""


def _noteworthy(table: pd.DataFrame) -> NDArray[np.int64]:
    suspicion = table["suspicion"].to_numpy(np.float64)
    order = np.argsort(-suspicion, kind="stable")
    flagged = table["flagged"].to_numpy(np.bool_)[order]
    said = table["kind"].to_numpy().astype(np.str_)[order]
    sure = table["kind_probability"].to_numpy(np.float64)[order]
    chosen = [order[flagged]]
    for kind in PROTECTED:
        of_kind = np.flatnonzero((said == kind) & ~flagged)
        surest = of_kind[np.argsort(-sure[of_kind], kind="stable")[:_MOST_PROTECTED]]
        chosen.append(order[surest])
    return np.concatenate(chosen).astype(np.int64)


def _rows_of(table: pd.DataFrame, ids: Iterable[str]) -> NDArray[np.int64]:
    place = {str(one): row for row, one in enumerate(table["id"])}
    wanted = [str(one) for one in ids]
    unknown = [one for one in wanted if one not in place]
    if unknown:
        raise InputError(
            "ids of the findings",
            f"{len(unknown)} others, such as {unknown[0]!r}",
            "Copy ids from the column id of the findings",
        )
    return np.asarray([place[one] for one in wanted], dtype=np.int64)


def _words(table: pd.DataFrame, evidence: Evidence) -> Words:
    labels, percentiles = evidence.labels, cache(lambda: _percentiles(table))
    return Words(
        look(evidence),
        evidence.ids,
        labels.names,
        table["kind"].to_numpy().astype(np.str_),
        _codes_of(table.get("suggested_label"), labels.names, len(table)),
        lambda row: _standing_out(_firing(percentiles(), row)),
    )


def _codes_of(suggested: Any, names: list[str], count: int) -> NDArray[np.int64]:
    """(N,) codes of suggested labels; -1 where there is none."""
    if suggested is None:
        return np.full(count, -1, dtype=np.int64)
    known = {name: code for code, name in enumerate(names)}
    places, different = pd.factorize(suggested)
    codes = [-1]  # for missing values, whose place is the last
    for value in reversed(different.tolist()):
        # A column of integers becomes one of floats as soon as a value is missing.
        whole = isinstance(value, float) and value.is_integer()
        codes.insert(0, known.get(str(int(value)) if whole else str(value), -1))
    return np.asarray(codes, dtype=np.int64)[places]


def _percentiles(table: pd.DataFrame) -> dict[str, Floats]:
    """Share of lower scores by scorer and row; constant scorers are left out."""
    scorers = [str(name) for name in table.columns if name not in COLUMNS]
    scorers = [one for one in scorers if one not in (STABILITY, WHY) and table[one].nunique() > 1]
    return {
        name: (rankdata(table[name].to_numpy(np.float64), method="min") - 1) / (len(table) - 1)
        for name in scorers
    }


def _firing(percentiles: dict[str, Floats], row: int) -> tuple[Firing, ...]:
    above = {name: float(ranks[row]) for name, ranks in percentiles.items()}
    order = sorted(above, key=lambda name: (-above[name], name))[:_MOST_FIRING]
    return tuple(Firing(name, round(above[name], 4)) for name in order if above[name] >= _FIRES)


def _standing_out(firing: tuple[Firing, ...]) -> str:
    if not firing or firing[0].above < _TELLING:
        return ""
    first = firing[0]
    share = "every other sample" if first.above > 0.9995 else f"{first.above:.1%} of all samples"
    return f"its {first.scorer} is above that of {share}"


def _neighbours(words: Words, row: int) -> tuple[Neighbour, ...]:
    view = words.view
    if view.neighbours is None or view.similarities is None:
        return ()
    pairs = zip(view.neighbours[row].tolist(), view.similarities[row].tolist(), strict=True)
    return tuple(
        Neighbour(str(words.ids[near]), words.given(near), round(alike, 4)) for near, alike in pairs
    )


def _influences(words: Words, pull: Any, place: int) -> dict[str, Any]:
    positions, cosines = pull
    if positions is None:
        return {}
    half = positions.shape[1] // 2
    found = [
        Influence(str(words.ids[near]), words.given(near), round(value, 4))
        for near, value in zip(positions[place].tolist(), cosines[place].tolist(), strict=True)
    ]
    return {
        "helpers": tuple(one for one in found[:half] if one.similarity > 0),
        "opponents": tuple(one for one in found[half:] if one.similarity < 0),
    }


def _loss(view: View, row: int) -> dict[str, Any]:
    if view.losses is None or view.class_losses is None:
        return {}
    code = int(view.labels.codes[row])
    return {
        "loss": _rounded(view.losses[:, row]),
        "class_loss": _rounded(view.class_losses[:, code]),
    }


def _rounded(values: Floats) -> tuple[float, ...]:
    return tuple(round(float(one), 5) for one in values)


def _counterfactual(words: Words, row: int) -> dict[str, Any]:
    other, p = words.alternative(row), words.view.probabilities
    if other is None:
        return {}
    return {
        "counterfactual_label": words.names[other],
        "counterfactual_probability": None if p is None else round(float(p[row, other]), 4),
        "predicted_by": words.view.predicted_by,
    }
