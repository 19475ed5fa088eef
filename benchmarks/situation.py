"""A situation: data with known glitches, a model trained on them, and all that was recorded."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from chaffinch.core.evidence import Evidence
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.models.inputs import Inputs

CLEAN = "clean"
"""The kind of a sample without a glitch."""


@dataclass(frozen=True, eq=False)
class Situation:
    """What a method of detection is given, and the truth that it is marked by.

    Methods must not look at `kinds`, `truth` or `test`; only the oracle does.

    Attributes:
        evidence: Records of the N training samples; their labels are the *given* ones.
        kinds: (N,) name of each sample's glitch, `CLEAN` where there is none.
        truth: (N,) right class of each sample; -1 where no class is right.
        inputs: N training samples as the model reads them.
        validation: M clean validation samples and their classes, or None.
        test: Test samples and their classes, distinct from the validation samples.
        factory: Makes an untrained model.
        model: The model trained on all N samples, in its last epoch.
        checkpoints: State dicts of the model after each recorded epoch, in order; may be empty.
        retrain: Trains afresh on some rows with other labels and weights, and returns the accuracy
            on the test samples in the last epoch: ``retrain(rows, codes, weights, seed)``, where
            ``codes`` and ``weights`` are (N,) and may be None.
    """

    evidence: Evidence
    kinds: NDArray[np.str_]
    truth: Codes
    inputs: Inputs
    validation: tuple[Inputs, Codes] | None
    test: tuple[Inputs, Codes] | None
    factory: Callable[[], nn.Module]
    model: nn.Module
    checkpoints: tuple[dict[str, object], ...] = ()
    retrain: Callable[[NDArray[np.int64], Codes | None, Floats | None, int], float] | None = None

    @property
    def errors(self) -> Mask:
        """(N,) whether the sample has a glitch."""
        wrong: Mask = self.kinds != CLEAN
        return wrong
