"""An exam: held-out samples on which versions of the training data are compared."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from chaffinch.core.types import Codes, Floats, Mask, Strings
from chaffinch.models.inputs import Inputs
from chaffinch.pipeline.collect import fold_of
from chaffinch.pipeline.verification.statistic import Marks, calibration_error

LEAST_TRUST = 1e-3
"""Held-out training samples whose labels are trusted less are left away."""


@dataclass(frozen=True, eq=False)
class Exam:
    """Held-out samples.

    Attributes:
        inputs: Where they are.
        rows: (M,) their positions in the inputs.
        codes: (M,) their labels.
        weights: (M,) how much each counts.
        allowed: (N,) training samples that may be trained on.
    """

    inputs: Inputs
    rows: NDArray[np.int64]
    codes: Codes
    weights: Floats
    allowed: Mask


@dataclass(frozen=True, eq=False)
class Examiner:
    """Gives every seed its exam.

    Attributes:
        inputs: N training samples.
        codes: (N,) their given labels.
        trust: (N,) how much each counts if it is held out.
        validation: Other samples that are known to be right, and their classes, or None.
        folds: Without validation: how many parts the samples are cut into; each seed holds out one.
        classes: Names of the classes.
        groups: (M,) group of each validation sample, or (N,) of each training sample; or None.
    """

    inputs: Inputs
    codes: Codes
    trust: Floats
    validation: tuple[Inputs, Codes] | None
    folds: int
    classes: list[str]
    groups: Strings | None = None

    @property
    def common(self) -> bool:
        """Whether all seeds have the same exam."""
        return self.validation is not None

    def exam(self, number: int, seed: int) -> Exam:
        """The exam of the seed with this number, from 0."""
        if self.validation is not None:
            inputs, codes = self.validation
            everyone = np.ones(len(self.codes), dtype=np.bool_)
            return Exam(inputs, np.arange(len(codes)), codes, np.ones(len(codes)), everyone)
        # The same cut for as many seeds as there are parts: every sample is held out once.
        fold = fold_of(self.codes, self.folds, seed - number % self.folds).numpy()
        held = fold == number % self.folds
        rows = np.flatnonzero(held & (self.trust > LEAST_TRUST))
        return Exam(self.inputs, rows, self.codes[rows], self.trust[rows], ~held)

    def mark(self, exam: Exam, logits: Floats) -> tuple[Marks, Floats]:
        """Mark the outputs (M, C) for an exam; also gives (M,) whether each answer is right."""
        logs = log_softmax(logits.astype(np.float64), axis=1)
        right = (logits.argmax(axis=1) == exam.codes).astype(np.float64)
        loss = -logs[np.arange(len(logs)), exam.codes]
        groups = None if self.groups is None else self.groups[exam.rows]
        marks = Marks(
            float(np.average(right, weights=exam.weights)),
            float(np.average(loss, weights=exam.weights)),
            calibration_error(np.exp(logs), exam.codes, exam.weights),
            {
                self.classes[code]: _mean(right, exam.weights, exam.codes == code)
                for code in np.unique(exam.codes).tolist()
            },
            {}
            if groups is None
            else {
                str(name): _mean(right, exam.weights, groups == name) for name in np.unique(groups)
            },
        )
        return marks, right


def _mean(values: Floats, weights: Floats, own: Mask) -> float:
    return float(np.average(values[own], weights=weights[own]))
