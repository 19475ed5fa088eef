"""Failures in logs whose time is known only roughly: iterative positive-unlabelled learning."""

from typing import Any

import numpy as np
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler

from chaffinch.core.errors import InputError
from chaffinch.core.types import Floats

_ROUNDS = 100
_FOLDS = 5
_TOLERANCE = 1e-3
_FIRST_SHARE = 0.5
_LEAST = 1e-6


def pull(features: Any, suspected: Any, *, rounds: int = _ROUNDS, seed: int = 0) -> Floats:
    """(N,) probability that each log line or window belongs to a failure (after PULL).

    Lines outside of the failure windows are taken for normal; of those inside, any may be. A
    classifier learns the windows, the lines that it takes for normal lose their weight as
    failures, and it learns again.

    Args:
        features: (N, F) numbers.
        suspected: (N,) whether each lies in a window within which a failure was reported.
        rounds: At most so many.
        seed: Of the folds: no line is judged by a model that learned from it.

    Raises:
        InputError: Arrays that do not fit, or no line on one side.
    """
    x, inside = np.asarray(features, np.float64), np.asarray(suspected, np.bool_)
    if x.ndim != 2 or inside.shape != (len(x),) or not np.isfinite(x).all():
        raise InputError(
            "finite features (N, F) and suspected (N,)", f"{x.shape}, {inside.shape}", "Check them"
        )
    least = 2 * _FOLDS
    if min(inside.sum(), (~inside).sum()) < least:
        raise InputError(
            f"at least {least} lines inside and outside of the windows",
            f"{int(inside.sum())} and {int((~inside).sum())}",
            "Give more lines, or wider windows",
        )
    scaled = StandardScaler().fit_transform(x)
    failure = inside * _FIRST_SHARE
    for _ in range(rounds):
        updated = np.where(inside, _held_out(scaled, failure, inside, seed), 0.0)
        change = np.abs(updated - failure).max()
        failure = updated
        if change < _TOLERANCE or failure.sum() < 1:
            break
    return failure


def _held_out(x: Floats, failure: Floats, inside: Any, seed: int) -> Floats:
    """(N,) probability by models that learned from others.

    Both sides weigh the same in training; the share of failures in the windows comes in after.
    """
    made = np.zeros(len(x))
    for rest, held in KFold(_FOLDS, shuffle=True, random_state=seed).split(x):
        positive = rest[inside[rest]]
        rows = np.concatenate([rest, positive])
        target = np.concatenate([np.zeros(len(rest)), np.ones(len(positive))])
        weight = np.concatenate([1 - failure[rest], failure[positive]])
        total = np.array([weight[target == side].sum() for side in (0, 1)])
        if (total <= 0).any():
            continue
        weight *= len(rest) / 2 / total[target.astype(np.int64)]
        model = LogisticRegression(max_iter=500).fit(x[rows], target, sample_weight=weight)
        share = float(np.clip(failure[inside].mean(), _LEAST, 1 - _LEAST))
        made[held] = expit(model.decision_function(x[held]) + logit(share))
    return made
