"""A second look at the labels, by what is learned without the suspects.

Models that a scan trains learn wrong labels with the right ones: even those held back from a sample
learned the wrong labels of all others. Once suspects are known, a classifier can be taught by the
rest, and speaks of every suspect without ever having seen its label. One with a closed form costs
seconds, so no training is needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

from chaffinch.core.evidence import Evidence
from chaffinch.core.randomness import stream
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.scorers.neighbours.kernel import unseen_scores
from chaffinch.scorers.probability import log_softmax, mean_over_epochs

LEAST_TAUGHT = 20
"""Unsuspected samples without which there is no second look."""

_ROUNDS = 2
_LEAST_SCORE = 0.01
_FLOOR = np.log(1e-6)
_SHARPEST = 50.0
_LEAST_RATE = 1e-5
_MOST_FITTED = 20_000
_STARTS = (0.02, 0.2)


@dataclass(frozen=True, eq=False)
class SecondLook:
    """What the second look says.

    Attributes:
        right: (N, C) probability of each class being the right one, given the label as well; rows
            sum to 1.
        rate: Estimated share of wrong labels.
    """

    right: Floats
    rate: float

    def wrong(self, codes: Codes) -> Floats:
        """(N,) probability that the given class is wrong."""
        chance: Floats = 1 - self.right[np.arange(len(codes)), codes]
        return chance

    def others(self, codes: Codes) -> tuple[Codes, Floats]:
        """(N,) likeliest class beside the given one, and (N,) how likely it is."""
        masked = self.right.copy()
        masked[np.arange(len(codes)), codes] = -1
        best: Codes = masked.argmax(axis=1).astype(np.int64)
        return best, masked[np.arange(len(codes)), best]


def look_again(evidence: Evidence, suspects: Mask, seed: int = 0) -> SecondLook | None:
    """Look at all labels once more, by what is learned without the suspects.

    A kernel classifier on the embeddings is taught by the unsuspected samples, and again without
    those that it finds wrong itself. Its scores are stacked with the held-out predictions of the
    fold models; weights and the rate of wrong labels have the greatest likelihood of the given
    labels, each of which is right but for that rate, and then any other.

    Args:
        evidence: What is known of N samples.
        suspects: (N,) samples that must not teach.
        seed: Decides the random choices.

    Returns:
        The second look, or None without embeddings, or where too little is beyond suspicion.
    """
    codes, num_classes = evidence.labels.codes, len(evidence.labels.classes)
    if evidence.embeddings is None or num_classes < 2 or not _can_teach(codes, ~suspects):
        return None
    beside = _held_out(evidence)
    taught = ~suspects
    look = None
    for _ in range(_ROUNDS):
        scores = unseen_scores(evidence.embeddings, codes, num_classes, taught, seed)
        look = _stack([*beside, scores, np.log(np.maximum(scores, _LEAST_SCORE))], codes, seed)
        taught = ~suspects & (look.wrong(codes) < 0.5)
        if not _can_teach(codes, taught):
            break
    return look


def _can_teach(codes: Codes, taught: Mask) -> bool:
    return int(taught.sum()) >= LEAST_TAUGHT and len(np.unique(codes[taught])) >= 2


def _held_out(evidence: Evidence) -> list[Floats]:
    """Log-probabilities of the fold models: of the last epoch, and mean over epochs."""
    record = evidence.held_out_logits
    if record is None:
        return []
    found = [log_softmax(record[-1]), mean_over_epochs(record, log_softmax)]
    return [np.maximum(one, _FLOOR) for one in found]


def _stack(sources: Sequence[Floats], codes: Codes, seed: int) -> SecondLook:
    """Weigh the sources, estimate the rate of wrong labels, and give the posterior."""
    stack = np.stack([np.asarray(one, dtype=np.float64) for one in sources])
    part = stream(seed, "second look").permutation(len(codes))[:_MOST_FITTED]
    few, own = stack[:, part], codes[part]
    highest = 1 - 1 / stack.shape[2] - _LEAST_RATE
    bounds = [(0.0, _SHARPEST)] * len(stack) + [(_LEAST_RATE, highest)]
    tried = [
        minimize(
            surprise,
            np.append(np.full(len(stack), 1 / len(stack)), min(rate, highest)),
            args=(few, own),
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
        )
        for rate in _STARTS
    ]
    best = min(tried, key=lambda one: float(one.fun))
    rate = float(best.x[-1])
    joint = np.tensordot(best.x[:-1], stack, axes=1)
    joint -= logsumexp(joint, axis=1, keepdims=True)
    rows, wrong = np.arange(len(codes)), np.log(rate / (stack.shape[2] - 1))
    given = joint[rows, codes] + np.log1p(-rate)
    joint += wrong
    joint[rows, codes] = given
    joint -= logsumexp(joint, axis=1, keepdims=True)
    return SecondLook(np.exp(joint), rate)


def surprise(parameters: Floats, stack: Floats, codes: Codes) -> tuple[float, Floats]:
    """Mean negative log-likelihood of the given labels, and its gradient.

    Args:
        parameters: (R + 1,) weights of the sources, and the rate of wrong labels.
        stack: (R, N, C) the sources, logs of probabilities up to a constant a sample.
        codes: (N,) given classes.
    """
    weights, rate = parameters[:-1], float(parameters[-1])
    rows, others = np.arange(len(codes)), stack.shape[2] - 1
    logits = np.tensordot(weights, stack, axes=1)
    right = np.exp(logits - logsumexp(logits, axis=1, keepdims=True))
    own = right[rows, codes]
    slope = 1 - rate - rate / others
    seen = rate / others + slope * own
    pull = own * (stack[:, rows, codes] - (stack * right).sum(axis=2))
    by_weights = -(slope / seen * pull).mean(axis=1)
    by_rate = -(((1 - own) / others - own) / seen).mean()
    return -float(np.log(seen).mean()), np.append(by_weights, by_rate)
