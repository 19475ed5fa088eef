"""Softmax, margins and losses on logits, one epoch at a time to stay small in memory."""

from collections.abc import Callable

import numpy as np
import torch
from scipy.special import logsumexp

from chaffinch.core.large import EXACT_UP_TO
from chaffinch.core.types import Codes, Floats

_BLOCK = 100_000  # numbers


def log_softmax(logits: Floats) -> Floats:
    """(N, C) logits to (N, C) float64 log-probabilities."""
    return normalise(np.array(logits, dtype=np.float64))


def normalise(log_values: Floats) -> Floats:
    """Make the exponentials of each row of (N, C) float64 sum to 1, in place.

    Many rows in blocks that fit a cache; the last bit may differ from that of few.
    """
    if len(log_values) <= EXACT_UP_TO:
        log_values -= logsumexp(log_values, axis=1, keepdims=True)
        return log_values
    step = max(1, _BLOCK // log_values.shape[1])
    for start in range(0, len(log_values), step):
        block = torch.from_numpy(log_values[start : start + step])
        block.copy_(torch.log_softmax(block, dim=1))
    return log_values


def softmax(logits: Floats) -> Floats:
    """(N, C) logits to (N, C) float64 probabilities."""
    values = log_softmax(logits)
    return np.exp(values, out=values)


def smoothed_votes(shares: Floats, voters: float) -> Floats:
    """(N, C) log of vote shares with half a vote spread over all classes (Laplace).

    Args:
        shares: (N, C), each row sums to 1.
        voters: How many voted.
    """
    smoothed = (shares * voters + 0.5 / shares.shape[1]) / (voters + 0.5)
    log_shares: Floats = np.log(smoothed)
    return log_shares


def pick(values: Floats, codes: Codes) -> Floats:
    """(N,) the entry of each row of ``values`` (N, C) in the column of its label."""
    picked: Floats = np.take_along_axis(values, codes[:, None], axis=1)[:, 0]
    return picked


def margin(values: Floats, codes: Codes) -> Floats:
    """(N,) the label's entry minus the largest other entry of each row of ``values`` (N, C).

    0 where there is no other class.
    """
    if values.shape[1] == 1:
        return np.zeros(len(values))
    others = np.array(values, dtype=np.float64)
    own = pick(others, codes)
    np.put_along_axis(others, codes[:, None], -np.inf, axis=1)
    margins: Floats = own - others.max(axis=1)
    return margins


def cross_entropy(logits: Floats, codes: Codes) -> Floats:
    """(N,) loss of the given labels under (N, C) logits."""
    return -pick(log_softmax(logits), codes)


def mean_over_epochs(logits: Floats, function: Callable[[Floats], Floats]) -> Floats:
    """Mean of ``function(logits[e])`` over the E epochs of (E, N, C) logits, in float64."""
    total = function(logits[0]).astype(np.float64)
    for epoch in logits[1:]:
        total += function(epoch)
    return total / len(logits)


def early_epochs(count: int) -> int:
    """How many of ``count`` epochs count as early: the first quarter, at least one.

    Networks learn the rule before they memorise exceptions, so the first epochs tell these apart.
    """
    return max(1, round(count / 4))
