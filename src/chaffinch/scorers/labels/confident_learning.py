"""Confident learning (Northcutt et al., JAIR 2021): count errors by class pair, then prune as many.

The flagged sets are those of the definitions in cleanlab 2, but for ties: samples that the
probabilities cannot tell apart are flagged together, so that no order of rows decides.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import Scorer, scorer
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.scorers.labels.quality import (
    final_probabilities,
    quality_by_margin,
    trained_probabilities,
)
from chaffinch.scorers.probability import margin, pick

Counts = NDArray[np.int64]
Rule = Callable[[Floats, Codes], Mask]

_SLACK = 1e-6
_PAPER = "Northcutt et al., Confident Learning, JAIR 2021"


def confident_thresholds(probabilities: Floats, codes: Codes) -> Floats:
    """(C,) mean probability of each class among the samples given that class.

    2 for a class that nobody was given (no probability reaches it), and never below 2e-6.
    """
    num_classes = probabilities.shape[1]
    counts = np.bincount(codes, minlength=num_classes)
    sums = np.bincount(codes, weights=pick(probabilities, codes), minlength=num_classes)
    return np.where(counts > 0, np.maximum(sums / np.maximum(counts, 1), 2 * _SLACK), 2.0)


def confident_classes(probabilities: Floats, codes: Codes) -> Codes:
    """(N,) the class that each sample confidently belongs to; -1 for none.

    Where several classes reach their thresholds it is the most probable class of all.
    """
    reached = probabilities >= confident_thresholds(probabilities, codes) - _SLACK
    count = reached.sum(axis=1)
    only = np.where(count == 1, reached.argmax(axis=1), -1)
    return np.where(count > 1, probabilities.argmax(axis=1), only).astype(np.int64)


def confident_joint(probabilities: Floats, codes: Codes, calibrate: bool = True) -> Counts:
    """Counts of given and confident classes.

    Args:
        probabilities: (N, C), held-out ones if there are such.
        codes: (N,) given labels.
        calibrate: Whether rows are scaled to the numbers of samples given each class.

    Returns:
        (C, C) whole numbers, rows = given, columns = confident class; at least 1 on the diagonal
        before they are scaled.
    """
    num_classes = probabilities.shape[1]
    guesses = confident_classes(probabilities, codes)
    sure = guesses >= 0
    joint = np.zeros((num_classes, num_classes), dtype=np.int64)
    np.add.at(joint, (codes[sure], guesses[sure]), 1)
    np.fill_diagonal(joint, np.maximum(joint.diagonal(), 1))
    if not calibrate:
        return joint
    counts = np.bincount(codes, minlength=num_classes)
    # Columns lie together in memory, as in cleanlab: their order in the sum decides its last bit,
    # and that decides how values half-way between whole numbers are rounded.
    by_column = joint.T.copy() / joint.sum(axis=1) * counts
    return round_rows((by_column / max(by_column.sum(), 1) * counts.sum()).T)


def joint_distribution(probabilities: Floats, codes: Codes) -> Floats:
    """(C, C) estimated share of the data of each (given, true) pair of classes; sums to 1."""
    joint = confident_joint(probabilities, codes)
    shares: Floats = joint / max(joint.sum(), 1)
    return shares


def round_rows(matrix: Floats) -> Counts:
    """Whole numbers near ``matrix`` (C, C) with the same row sums; the largest remainders yield.

    Of equal remainders the last is raised, or the first lowered.
    """
    whole = np.round(matrix)
    for row, exact in zip(whole, matrix, strict=True):
        missing = int(np.round(exact.sum()) - row.sum())
        order = np.argsort(exact - row, kind="stable")
        row[order[::-1][:missing] if missing > 0 else order[:-missing]] += np.sign(missing)
    return whole.astype(np.int64)


def pruning_counts(probabilities: Floats, codes: Codes) -> Counts:
    """(C, C) how many samples to prune by (given, true) class; the diagonal is kept, at least 1."""
    joint = confident_joint(probabilities, codes).astype(np.float64)
    diagonal = np.maximum(joint.diagonal(), 1)
    others = np.maximum((joint != 0).sum(axis=1) - 1, 1)
    counts = np.maximum(joint - ((diagonal - joint.diagonal()) / others)[:, None], 0)
    np.fill_diagonal(counts, diagonal)
    return round_rows(counts.T).T


def off_diagonals(probabilities: Floats, codes: Codes) -> Mask:
    """(N,) samples counted off the diagonal of the confident joint."""
    guesses = confident_classes(probabilities, codes)
    counted: Mask = (guesses >= 0) & (guesses != codes)
    return counted & _contradicted(probabilities, codes)


def prune_by_class(probabilities: Floats, codes: Codes) -> Mask:
    """(N,) in each given class, as many of the least probable as the joint counts errors."""
    counts = pruning_counts(probabilities, codes)
    flagged = np.zeros(len(codes), dtype=bool)
    for members, code in _classes(codes):
        wrong = len(members) - int(counts[code, code])
        flagged[members] = _largest(-probabilities[members, code], wrong)
    return flagged & _contradicted(probabilities, codes)


def prune_by_noise_rate(probabilities: Floats, codes: Codes) -> Mask:
    """(N,) for each pair of classes, as many with the largest margin as the joint counts errors."""
    counts = pruning_counts(probabilities, codes)
    flagged = np.zeros(len(codes), dtype=bool)
    for members, code in _classes(codes):
        for other in np.flatnonzero(counts[code]):
            if other != code:
                lead = probabilities[members, other] - probabilities[members, code]
                flagged[members] |= _largest(lead, int(counts[code, other]))
    return flagged & _contradicted(probabilities, codes)


def prune_by_both(probabilities: Floats, codes: Codes) -> Mask:
    """(N,) samples that `prune_by_class` and `prune_by_noise_rate` both flag."""
    return prune_by_class(probabilities, codes) & prune_by_noise_rate(probabilities, codes)


def rank_flagged_first(flagged: Mask, probabilities: Floats, codes: Codes) -> Floats:
    """(N,) scores above 1 for the flagged and at most 1 for all others, by margin within each."""
    doubt = 1 - quality_by_margin(probabilities, codes)
    return np.where(flagged, 1 + doubt, doubt)


def _classes(codes: Codes) -> list[tuple[NDArray[np.intp], int]]:
    """Members of each class that has more than one; nothing is pruned from a class of one."""
    found, counts = np.unique(codes, return_counts=True)
    return [(np.flatnonzero(codes == code), int(code)) for code in found[counts > 1]]


def _largest(values: Floats, count: int) -> Mask:
    """The ``count`` largest, and what is equal to the last of them."""
    if count < 1:
        return np.zeros(len(values), dtype=bool)
    mask: Mask = values >= np.sort(values)[-min(count, len(values))]
    return mask


def _contradicted(probabilities: Floats, codes: Codes) -> Mask:
    """Samples of which another class is more probable; no rule flags a sample without one."""
    contradicted: Mask = margin(probabilities, codes) < -_SLACK
    return contradicted


def _register(name: str, rule: Rule, summary: str) -> tuple[Scorer, Scorer]:
    """A scorer on held-out predictions, where there are such, and one on those in training."""

    def score(evidence: Evidence, _seed: int) -> Floats:
        probabilities, codes = final_probabilities(evidence), evidence.labels.codes
        return rank_flagged_first(rule(probabilities, codes), probabilities, codes)

    def score_in_sample(evidence: Evidence, _seed: int) -> Floats:
        probabilities, codes = trained_probabilities(evidence), evidence.labels.codes
        return rank_flagged_first(rule(probabilities, codes), probabilities, codes)

    score.__doc__ = summary
    score_in_sample.__doc__ = f"As {name}, from the model that was trained on the label."
    return (
        scorer(name, family="labels", needs=("held_out_logits|logits",), paper=_PAPER)(score),
        scorer(f"{name}_in_sample", family="labels", needs=("logits",), paper=_PAPER)(
            score_in_sample
        ),
    )


SCORERS_BY_RULE = (
    _register(
        "confident_off_diagonal",
        off_diagonals,
        "Above 1 if the sample is confidently of another class; by margin within.",
    ),
    _register(
        "prune_by_class",
        prune_by_class,
        "Above 1 if among the least probable of its class, as many as are wrong; by margin within.",
    ),
    _register(
        "prune_by_noise_rate",
        prune_by_noise_rate,
        "Above 1 if among the clearest errors of a class pair, as many as are; by margin within.",
    ),
    _register(
        "prune_by_both",
        prune_by_both,
        "Above 1 if pruned by class and by noise rate; by margin within.",
    ),
)
