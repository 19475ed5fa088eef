"""The evidence on labels that findings keep, so that answers of people can recalibrate them."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

from chaffinch.core.basis import Basis
from chaffinch.core.evidence import Evidence
from chaffinch.core.large import EXACT_UP_TO
from chaffinch.core.types import Codes, Floats
from chaffinch.diagnosis.dynamics import whole_training
from chaffinch.diagnosis.fusion import own_spread
from chaffinch.diagnosis.likelihood import LEAST, centred
from chaffinch.diagnosis.source import fold_sources, held_out_sources
from chaffinch.scorers.probability import normalise

_MAX_FIT_SAMPLES = 20_000
_SHARPEST = 20.0
_SUREST = 1e-9
_LEAST_REST = 1e-4


def make_basis(
    trainings: Sequence[Evidence],
    wrong: Floats,
    alternatives: Floats,
    seed: int = 0,
    shift: Sequence[float] = (),
) -> Basis:
    """Features of each sample that speak for or against its label.

    Args:
        trainings: What is known of the same N samples, from one training or several.
        wrong: (N,) probability that the label is wrong, as judged.
        alternatives: (N, C) how likely each other class is, if it is.
        seed: The one of the judgement.
        shift: (G,) log-odds that each group adds to ``wrong``; empty where groups are alike.

    Returns:
        With the features ``prior`` (log-odds of ``wrong``); from all predictions made without the
        sample's label, stacked so that they predict the given labels best, ``odds`` (log-odds of
        the likeliest other class over the given one), ``rest`` (log of the probability of all
        remaining classes) and ``rival`` (code of that other class); ``fold``, ``neighbours`` and
        ``forest``, the log-odds by these alone; ``dynamics``, mean loss and area under the
        margin of the training on all samples; and ``group``, what a sample's group adds. What
        there is no evidence for is left out.
    """
    codes = trainings[0].labels.codes
    chance = np.clip(wrong, _SUREST, 1 - _SUREST)
    features: dict[str, Floats] = {"prior": np.log(chance) - np.log1p(-chance)}
    by_name, sources = _sources(trainings, seed)
    if sources:
        pooled = stacked(sources, codes)
        features["odds"], features["rest"] = _odds_and_rest(pooled, codes)
        features["rival"] = _rival(pooled, codes).astype(np.float64)
    for name, same in by_name.items():
        features[name] = np.mean([_odds_and_rest(centred(one), codes)[0] for one in same], axis=0)
    views = [_dynamics(one.logits, codes) for one in trainings if one.logits is not None]
    if views:
        features["dynamics"] = own_spread(np.mean(views, axis=0))
    groups = trainings[0].groups
    if groups is not None and len(shift):
        features["group"] = np.asarray(shift)[groups.codes]
    return replace(Basis.of(features, codes, alternatives), groups=groups)


def _sources(trainings: Sequence[Evidence], seed: int) -> tuple[dict[str, list[Floats]], list[Any]]:
    """Log-probabilities (N, C) made without the sample's own label: by name, and all of them."""
    by_name: dict[str, list[Floats]] = {}
    everything = []
    for evidence in trainings:
        sources = held_out_sources(evidence, seed)
        folds = len(fold_sources(evidence))
        names = ["fold"] * folds + ["neighbours", "forest"][: len(sources) - folds]
        for name, source in zip(names, sources, strict=False):  # a forest is two sources
            by_name.setdefault(name, []).append(source)
        everything += sources
    return by_name, everything


def _dynamics(logits: Floats, codes: Codes) -> Floats:
    """(N,) mean loss and area under the margin over (E, N, C) logits, each in its own spread."""
    views: Floats = np.sum([own_spread(one) for one in whole_training(logits, codes)], axis=0)
    return views


def _odds_and_rest(log_probabilities: Floats, codes: Codes) -> tuple[Floats, Floats]:
    """(N,) log-odds of the best other class, and (N,) log-probability of all that remain."""
    if len(codes) > EXACT_UP_TO:  # in parts, for the sake of memory
        starts = range(0, len(codes), EXACT_UP_TO)
        parts = [slice(start, start + EXACT_UP_TO) for start in starts]
        found = [_odds_and_rest(log_probabilities[part], codes[part]) for part in parts]
        all_odds, all_rest = map(np.concatenate, zip(*found, strict=True))
        return all_odds, all_rest
    rows, best = np.arange(len(codes)), _rival(log_probabilities, codes)
    odds: Floats = log_probabilities[rows, best] - log_probabilities[rows, codes]
    others = np.array(log_probabilities)
    others[rows, codes] = others[rows, best] = -np.inf
    rest = np.full(len(codes), np.log(_LEAST_REST))
    if others.shape[1] > 2:
        rest = np.maximum(rest, logsumexp(others, axis=1))
    return odds, rest


def _rival(log_probabilities: Floats, codes: Codes) -> Codes:
    """(N,) likeliest class beside the given one."""
    others = np.array(log_probabilities)
    others[np.arange(len(codes)), codes] = -np.inf
    best: Codes = others.argmax(axis=1)
    return best


def stacked(sources: Sequence[Floats], codes: Codes) -> Floats:
    """(N, C) log-probabilities: the log-linear pool that makes the given labels likeliest.

    Unlike the noise model, it takes every given label as right, so it is calibrated to the given
    labels whatever is the matter with them.
    """
    step = -(-len(codes) // _MAX_FIT_SAMPLES)
    part = np.stack([centred(source[::step]) for source in sources])
    labels = codes[::step]
    rows = np.arange(len(labels))

    def cost(weights: Floats) -> tuple[float, Floats]:
        total = np.tensordot(weights, part, axes=1)
        total -= logsumexp(total, axis=1, keepdims=True)
        gain = part[:, rows, labels] - (part * np.exp(total)).sum(axis=2)
        return -float(total[rows, labels].mean()), -gain.mean(axis=1)

    start, bounds = np.full(len(part), 1 / len(part)), [(0.0, _SHARPEST)] * len(part)
    weights = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    if len(codes) <= EXACT_UP_TO:
        return centred(np.tensordot(weights, part, axes=1))
    total = weights[0] * centred(sources[0])
    for weight, source in zip(weights[1:], sources[1:], strict=True):
        total += weight * centred(source)
    kept: Floats = np.maximum(normalise(total), LEAST, out=total)
    return kept
