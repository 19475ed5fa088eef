"""UQ-LED: confident learning on held-out passes with dropout, counting only certain predictions."""

import numpy as np

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import scorer
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.scorers.labels.confident_learning import (
    Counts,
    confident_classes,
    rank_flagged_first,
    round_rows,
)
from chaffinch.scorers.probability import pick
from chaffinch.scorers.uncertainty.decomposition import entropy, mean_probabilities


def certain(probabilities: Floats, codes: Codes, guesses: Codes) -> Mask:
    """Samples with an entropy of at most the mean of the class that they seem to belong to.

    Args:
        probabilities: (N, C) mean predictions.
        codes: (N,) given labels.
        guesses: (N,) the class of each sample by confident learning, -1 for none.

    Returns:
        (N,); False without a guess. As with confident learning's own thresholds, the mean of a
        class is that over the samples given its label.
    """
    doubt = entropy(probabilities)
    num_classes = probabilities.shape[1]
    counts = np.bincount(codes, minlength=num_classes)
    means = np.bincount(codes, weights=doubt, minlength=num_classes) / np.maximum(counts, 1)
    sure: Mask = (guesses >= 0) & (doubt <= means[guesses] * (1 + 1e-9))
    return sure


def certain_joint(probabilities: Floats, codes: Codes) -> Counts:
    """(C, C) confident joint of given (rows) and guessed classes over certain samples only.

    At least 1 on the diagonal; rows are then scaled to the number of samples given each class.
    """
    guesses = confident_classes(probabilities, codes)
    sure = certain(probabilities, codes, guesses)
    num_classes = probabilities.shape[1]
    joint = np.zeros((num_classes, num_classes))
    np.add.at(joint, (codes[sure], guesses[sure]), 1)
    np.fill_diagonal(joint, np.maximum(joint.diagonal(), 1))
    counts = np.bincount(codes, minlength=num_classes)
    return round_rows(joint / joint.sum(axis=1, keepdims=True) * counts[:, None])


def flagged(probabilities: Floats, codes: Codes) -> Mask:
    """(N,) pruned by noise rate: for each pair of classes as many as the certain joint counts.

    Those with the largest lead of the other class over the given one; only samples of which the
    other class is more probable.
    """
    joint = certain_joint(probabilities, codes)
    own = pick(probabilities, codes)
    found = np.zeros(len(codes), dtype=bool)
    for given, other in np.argwhere(joint > 0):
        if given == other:
            continue
        members = np.flatnonzero(codes == given)
        lead = probabilities[members, other] - own[members]
        least = np.sort(lead)[-min(int(joint[given, other]), len(lead))]
        found[members] |= (lead >= least) & (lead > 0)
    return found


@scorer(
    "uq_led",
    family="uncertainty",
    needs=("held_out_dropout_logits",),
    paper="Jakubik et al., Improving Label Error Detection with UQ, arXiv:2405.09602",
)
def uq_led(evidence: Evidence, _seed: int) -> Floats:
    """Above 1 if pruned by confident learning on certain held-out dropout passes; by margin within.

    All else is between 0 and 1, one minus the normalized margin of the mean prediction. The passes
    are those of models that never saw the sample: one that did has learned its label, right or
    wrong, and contradicts few.
    """
    probabilities = mean_probabilities(evidence.need("held_out_dropout_logits"))
    codes = evidence.labels.codes
    return rank_flagged_first(flagged(probabilities, codes), probabilities, codes)
