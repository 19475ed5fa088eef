"""Controls: what chance reaches, what knowledge of the truth reaches, and doing nothing."""

import numpy as np

from benchmarks.method import Scored, method
from benchmarks.situation import Situation
from chaffinch.core.randomness import stream

UNTOUCHED = "none"
"""The control that changes nothing; it has accuracies and no scores."""


@method("random", origin="control")
def random(situation: Situation, seed: int) -> Scored:
    """A random order of the samples."""
    return Scored(stream(seed, "random control").random(len(situation.evidence)))


@method("oracle", origin="control")
def oracle(situation: Situation, seed: int) -> Scored:
    """The truth; samples with a glitch in random order before all others."""
    wrong = situation.errors
    tie = stream(seed, "oracle control").random(len(wrong))
    return Scored(wrong + tie / 2, wrong.copy())


@method(UNTOUCHED, origin="control", runs_on=lambda _: False)
def none(situation: Situation, _seed: int) -> Scored:
    """Nothing is taken out: accuracy of the model as it was trained."""
    return Scored(np.zeros(len(situation.evidence)))
