"""Simple repairs of what a method points at: trim, relabel, reweight."""

import numpy as np

from benchmarks.experiments.noisy_images.settings import RepairName
from benchmarks.experiments.retraining import Repair
from benchmarks.situation import Situation
from chaffinch.core.types import Codes, Mask
from chaffinch.scorers.probability import softmax

LIGHT = 0.2
"""What the loss of a sample that is weighed down still counts."""


def make_repair(name: RepairName, chosen: Mask, suggested: Codes, given: Codes) -> Repair:
    """The repair of some samples.

    Args:
        name: ``trim`` leaves them out, ``relabel`` gives them the suggested classes, ``reweight``
            lets their losses count a fifth.
        chosen: (N,) which samples.
        suggested: (N,) class to give a sample if it is relabelled.
        given: (N,) class that it has.
    """
    everyone = np.ones(len(chosen), dtype=np.bool_)
    if name == "trim":
        return Repair(~chosen)
    if name == "relabel":
        return Repair(everyone, codes=np.where(chosen, suggested, given))
    return Repair(everyone, weights=np.where(chosen, LIGHT, 1.0))


def suggest(situation: Situation, oracle: bool) -> Codes:
    """(N,) the class that each sample would get.

    Args:
        situation: Its model speaks where no fold models were trained.
        oracle: Whether to tell the truth instead.

    Returns:
        The likeliest class but the given one, by held-out predictions of the last epoch; the same
        for all methods, so that they differ by what they point at alone.
    """
    evidence = situation.evidence
    if oracle:
        return np.where(situation.truth >= 0, situation.truth, evidence.labels.codes)
    others = softmax(np.array(evidence.need_any("held_out_logits", "logits")[-1]))
    others[np.arange(len(others)), evidence.labels.codes] = -1
    codes: Codes = others.argmax(axis=1).astype(np.int64)
    return codes
