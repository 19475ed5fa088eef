"""Taking out what is most suspicious and training again, for many methods at once."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.experiments.synthetic.observe import Problem, accuracies, dead
from chaffinch.core.randomness import stream
from chaffinch.core.types import Floats, Mask


@dataclass(frozen=True)
class Outcome:
    """What became of a net that was trained again.

    Attributes:
        accuracy: On the test samples, after the last step.
        dead: Whether it predicts one class for (nearly) all training samples.
    """

    accuracy: float
    dead: bool


def most_suspicious(scores: Floats, budget: float, seed: int) -> Mask:
    """(N,) the share ``budget`` of the samples with the highest scores; ties in random order.

    Args:
        scores: (N,) higher = more suspicious.
        budget: Share in 0..1, rounded to a whole number of samples.
        seed: Decides the order of ties.
    """
    order = stream(seed, "ties at the budget").permutation(len(scores))
    ranked = order[np.argsort(-np.asarray(scores, dtype=np.float64)[order], kind="stable")]
    chosen = np.zeros(len(scores), dtype=np.bool_)
    chosen[ranked[: round(budget * len(scores))]] = True
    return chosen


def outcomes_without(problem: Problem, trimmed: Mapping[str, Mask]) -> dict[str, Outcome]:
    """Train a net without the samples that each name takes out.

    All nets have the start of the first one and take as many steps. Names that take out the same
    samples share a net.

    Args:
        problem: What to learn.
        trimmed: (N,) samples to leave out, by name.
    """
    if not trimmed:
        return {}
    kept = ~np.stack(list(trimmed.values()))
    different, place = np.unique(kept, axis=0, return_inverse=True)
    nets = problem.retrain(different.astype(np.float32))
    right, same = accuracies(nets, *problem.test), dead(nets, problem.x)
    return {
        name: Outcome(float(right[k]), bool(same[k]))
        for name, k in zip(trimmed, place.ravel().tolist(), strict=True)
    }
