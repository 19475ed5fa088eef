"""A second look at the labels, by what is learned without the suspects.

Models that a scan trains learn wrong labels with the right ones: even those held back from a sample
learned the wrong labels of all others. Once suspects are known, a classifier can be taught by the
rest, and speaks of every suspect without ever having seen its label. Least squares with a kernel
and a random forest cost seconds, so no training is needed.
"""

from dataclasses import dataclass

import numpy as np

from chaffinch.core.evidence import Evidence
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.diagnosis.noise_model import NoiseModel
from chaffinch.diagnosis.source import fold_sources
from chaffinch.scorers.neighbours.forest import as_sources, unseen_votes
from chaffinch.scorers.neighbours.kernel import unseen_scores

LEAST_TAUGHT = 20
"""Unsuspected samples without which there is no second look."""

_ROUNDS = 2
_LEAST_SCORE = 0.01


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


def look_again(
    evidence: Evidence, suspects: Mask, first_rate: float, seed: int = 0
) -> SecondLook | None:
    """Look at all labels once more, by what is learned without the suspects.

    A kernel classifier and a random forest on the embeddings are taught by the unsuspected samples,
    and again without those that they find wrong themselves. What they say is stacked with the
    held-out predictions of the fold models by the same noise model as in the first look.

    Args:
        evidence: What is known of N samples.
        suspects: (N,) samples that must not teach.
        first_rate: Share of wrong labels by the first look. Where the labels leave open how much is
            noise and how much ambiguity, it decides.
        seed: Decides the random choices.

    Returns:
        The second look, or None without embeddings, or where too little is beyond suspicion.
    """
    codes, num_classes = evidence.labels.codes, len(evidence.labels.classes)
    if evidence.embeddings is None or num_classes < 2 or not _can_teach(codes, ~suspects):
        return None
    folds = fold_sources(evidence)
    taught = ~suspects
    look = None
    for _ in range(_ROUNDS):
        scores = unseen_scores(evidence.embeddings, codes, num_classes, taught, seed)
        trees = unseen_votes(evidence.embeddings, codes, num_classes, taught, seed)
        kernel = [scores, np.log(np.maximum(scores, _LEAST_SCORE))]
        sources = [*folds, *kernel, *as_sources(trees)]
        model = NoiseModel.fit(sources, codes, seed).toward(first_rate, sources, codes, seed)
        look = SecondLook(model.posterior(sources, codes), model.rate)
        taught = ~suspects & (look.wrong(codes) < 0.5)
        if not _can_teach(codes, taught):
            break
    return look


def _can_teach(codes: Codes, taught: Mask) -> bool:
    return int(taught.sum()) >= LEAST_TAUGHT and len(np.unique(codes[taught])) >= 2
