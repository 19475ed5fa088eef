"""How many labels are wrong, from a few answers, and how sure that is."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chaffinch.core.answers import Answers
from chaffinch.core.kinds import KINDS, WRONG_LABEL
from chaffinch.core.randomness import stream
from chaffinch.core.recalibration import Calibrated
from chaffinch.core.sample_groups import SampleGroups
from chaffinch.core.types import Codes, Floats

LEVEL = 0.9
"""Probability with which the interval holds the true rate."""

_ENTRY_LEVEL = 0.95


def unbiased_rate(before: Floats, answers: Answers) -> float | None:
    """The rate by the difference estimator, which no mistake of the model can bias.

    The mean of the probabilities that were known before any answer, plus the mean by which the
    answers differ from them, each weighted by one over its probability of being drawn (Horvitz and
    Thompson, 1952; Cassel, Saerndal and Wretman, *Some results on generalized difference
    estimation*, Biometrika 1976; with the weights scaled to sum to one after Hajek, 1971, so that
    answers that never came do no harm). It wants no model to be right, but 30 answers leave it a
    larger error than the model has.

    Args:
        before: (N,) probability that each label is wrong, before any answer.
        answers: What was answered.

    Returns:
        The share of wrong labels, which may fall below zero; None where no sample was drawn at
        random.
    """
    drawn = np.isfinite(answers.weights)
    if not drawn.any():
        return None
    off = answers.wrong[drawn] - before[answers.rows[drawn]]
    return float(before.mean() + np.average(off, weights=answers.weights[drawn]))


def rate_interval(calibrated: Calibrated, level: float = LEVEL) -> tuple[float, float, float]:
    """The share of wrong labels in the whole set, and the interval that holds it.

    The interval is that of the posterior: draws of the coefficients, and for each the chance of the
    labels that nobody looked at. Where no wrong label was found, it begins at zero.

    Returns:
        Rate, lower and upper end, as shares of all N samples.
    """
    size, told = len(calibrated.x), calibrated.told[~np.isnan(calibrated.told)]
    totals = calibrated.totals(np.zeros(size, dtype=np.int64), 1)[:, 0]
    unsure = float((calibrated.chance * (1 - calibrated.chance)).sum())
    noise = stream(0, "error rate").standard_normal(len(totals)) * np.sqrt(unsure)
    ends = [(1 - level) / 2, (1 + level) / 2] if told.any() else [0, level]
    low, high = np.quantile((totals + noise) / size, ends)
    low = max(low, told.sum() / size) if told.any() else 0.0
    rate = float(calibrated.chance.mean())
    return rate, float(np.clip(low, 0, rate)), float(np.clip(high, rate, 1))


def more_answers(count: int, width: float) -> list[dict[str, float]]:
    """How wide the interval would be with more answers: it narrows with their square root."""
    return [
        {"answers": more, "width": round(width * float(np.sqrt(count / (count + more))), 6)}
        for more in (count, 3 * count)
    ]


def rate_entries(
    calibrated: Calibrated,
    codes: Codes,
    classes: list[str],
    kinds: Floats,
    groups: SampleGroups | None = None,
) -> list[dict[str, Any]]:
    """Rates with 95 % intervals, as `chaffinch.diagnosis.rate.rates` gives them.

    Args:
        calibrated: How likely labels are wrong.
        codes: (N,) given labels.
        classes: (C,) names.
        kinds: (N, 9) recalibrated probabilities of the kinds.
        groups: Of the samples, for a rate of each.
    """
    total = calibrated.totals(np.zeros_like(codes), 1)[:, 0]
    chance, size = calibrated.chance, len(codes)
    unsure = float((chance * (1 - chance)).sum())
    entries = [_entry("all", "all", total, chance.sum(), unsure, size)]
    entries += _by_part("class", calibrated, codes, classes)
    for place, name in enumerate(KINDS):
        own = kinds[:, place]
        spread = float((own * (1 - own)).sum())
        # A kind is a part of what is wrong or of what is right, and as unsure as the whole.
        scale = total / max(chance.sum(), 1e-12) if name in WRONG_LABEL else np.ones(1)
        entries.append(_entry("kind", name, own.sum() * scale, own.sum(), spread, size))
    if groups is not None:
        entries += _by_part("group", calibrated, groups.codes, groups.names)
    return entries


def _by_part(
    of: str, calibrated: Calibrated, codes: Codes, names: Sequence[str]
) -> list[dict[str, Any]]:
    """The rate of each part that has a sample, by its code."""
    chance = calibrated.chance
    wrong = calibrated.totals(codes, len(names))
    unsure = np.bincount(codes, chance * (1 - chance), len(names))
    sizes, means = np.bincount(codes, minlength=len(names)), np.bincount(codes, chance, len(names))
    return [
        _entry(of, names[code], wrong[:, code], means[code], unsure[code], sizes[code])
        for code in np.flatnonzero(sizes).tolist()
    ]


def _entry(
    of: str, name: str, totals: Floats, mean: float, unsure: float, size: int
) -> dict[str, Any]:
    noise = stream(0, "rates").standard_normal(len(totals) if len(totals) > 1 else 200)
    share = (totals + noise * np.sqrt(unsure)) / size
    low, high = np.quantile(share, [(1 - _ENTRY_LEVEL) / 2, (1 + _ENTRY_LEVEL) / 2])
    rate = float(mean / size)
    return {
        "of": of,
        "name": name,
        "rate": round(rate, 6),
        "low": round(float(np.clip(low, 0, rate)), 6),
        "high": round(float(np.clip(high, rate, 1)), 6),
    }
