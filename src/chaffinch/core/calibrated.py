"""What findings become by answers of people, piece by piece."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chaffinch.core.answers import Answers
from chaffinch.core.basis import Basis
from chaffinch.core.calibration import basis_of_suspicion
from chaffinch.core.check_sample import draw, inclusion, sizes, strata
from chaffinch.core.error_rate import (
    LEVEL,
    more_answers,
    rate_entries,
    rate_interval,
    unbiased_rate,
)
from chaffinch.core.errors import InputError
from chaffinch.core.judged import harm, wrong_label
from chaffinch.core.labels import class_names
from chaffinch.core.option import whole
from chaffinch.core.randomness import stream
from chaffinch.core.recalibrated import aside, kinds_of, recalibrated_kinds, recalibrated_table
from chaffinch.core.recalibration import Calibrated, before, flag, hits, q_values
from chaffinch.core.types import Floats, Mask

NOT_DRAWN = (
    "The answered samples do not look as if they were drawn by to_check, so there is no unbiased "
    "rate of wrong labels. If they were drawn at random in another way, pass their weights."
)


def basis_of_table(table: pd.DataFrame, classes: NDArray[Any]) -> Basis:
    """The basis of findings of a version that kept none."""
    code_of = {value: code for code, value in enumerate(pd.Series(classes).tolist())}
    given = [code_of[value] for value in table["given_label"].tolist()]
    suggested = [code_of.get(value, -1) for value in table["suggested_label"].tolist()]
    return basis_of_suspicion(wrong_label(kinds_of(table)), given, suggested)


def to_check(basis: Basis, chance: Floats, answered: Mask, count: int, seed: int) -> pd.DataFrame:
    """Draw samples to check.

    Args:
        basis: The evidence on labels.
        chance: (N,) probability that each label is wrong.
        answered: (N,) samples that are left out.
        count: How many.
        seed: Decides which.

    Raises:
        InputError: A count below one, or nothing left to check.
    """
    count = whole("the number of samples to check", count)
    if count < 1:
        raise InputError("at least one sample to check", str(count), "Ask for 30")
    left = np.flatnonzero(~answered)
    if not len(left):
        raise InputError("samples that nobody has checked", "none left", "Calibrate with them")
    size = sizes(chance[left])
    count = min(count, len(left))
    pi, stratum = inclusion(size, count), strata(chance[left], size)
    picked = draw(pi, stratum, basis.given[left], count, stream(seed, "samples to check"))
    rows = left[picked]
    return pd.DataFrame(
        {
            "row": rows,
            "weight": 1 / pi[picked],
            "stratum": stratum[picked],
        }
    )


def changes(
    table: pd.DataFrame, classes: NDArray[Any], basis: Basis, answers: Answers
) -> dict[str, Any]:
    """New pieces of findings by name, but for their notes.

    Args:
        table: The findings table before any answer.
        classes: (C,).
        basis: The evidence on labels.
        answers: What was answered.

    Returns:
        ``table``, ``flow``, ``estimated_errors`` and ``details`` with ``calibration`` and
        ``rates``.
    """
    old = kinds_of(table)
    learned = Calibrated.of(basis, answers)
    kinds = recalibrated_kinds(old, learned.chance, answers)
    suspicion, anomaly = harm(kinds), aside(old)
    anomaly[answers.rows] = 0
    ends, found = hits(learned, suspicion, anomaly)
    chosen = flag(ends, found, suspicion), q_values(ends, found, suspicion)
    known = basis.told(answers.rows, answers.codes)
    made = recalibrated_table(table, kinds, chosen, known, classes)
    wrong = wrong_label(kinds)
    rate, low, high = rate_interval(learned)
    calibration = {
        "answers": len(answers),
        "wrong": round(float(answers.wrong.sum()), 6),
        "undecided": answers.undecided,
        "rate": round(rate, 6),
        "low": round(low, 6),
        "high": round(high, 6),
        "level": LEVEL,
        "unbiased": unbiased_rate(before(basis), answers),
        "agreement": answers.agreement,
        "after": {"flagged": int(chosen[0].sum()), "estimated_errors": round(rate * len(table), 6)},
        "more": more_answers(len(answers), high - low),
    }
    return {
        "table": _explained(made, answers),
        "flow": known.flow(wrong, len(classes)),
        "estimated_errors": rate * len(table),
        "details": {
            "calibration": calibration,
            "rates": rate_entries(learned, basis.given, class_names(classes), kinds, basis.groups),
        },
    }


def _explained(table: pd.DataFrame, answers: Answers) -> pd.DataFrame:
    """The table whose column ``why`` says what people said."""
    if "why" not in table:
        return table
    why = table["why"].to_numpy(object).copy()
    fresh = table["flagged"].to_numpy(np.bool_) & (why == "")
    why[fresh] = "Flagged since samples like it were checked and had wrong labels."
    for row, wrong in zip(answers.rows, answers.wrong, strict=True):
        said = "wrong" if wrong == 1 else "right" if wrong == 0 else "disputed"
        why[row] = f"Checked: the label is {said}."
    return table.assign(why=why)


def note(calibration: Mapping[str, Any]) -> str:
    """One sentence on what answers changed."""
    then, now = calibration["before"], calibration["after"]
    said = (
        f"Recalibrated by answers: {calibration['answers']} samples were checked, and "
        f"{calibration['wrong']:g} had a wrong label. The estimate is that "
        f"{calibration['rate']:.1%} of all labels are wrong, between "
        f"{calibration['low']:.1%} and {calibration['high']:.1%} with probability "
        f"{calibration['level']:.0%}; {now['flagged']:,} samples are flagged, {then['flagged']:,} "
        "were before."
    )
    if calibration["undecided"]:
        said += (
            f" Of {calibration['undecided']} more nobody could tell; the rate is that of labels "
            "of which one can."
        )
    return said
