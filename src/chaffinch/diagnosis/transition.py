"""How one class is taken for another: a transition matrix that is as free as the labels demand.

Annotators mix up some classes more than others, and wrong labels of a class go to particular
classes. A free matrix has C (C - 1) parameters, most of which no data set can tell, so rows share
two priors: the rate of wrong labels of each class lies near the common one (a beta prior of
strength ``a``), and the wrong labels of a class spread over the others (a symmetric Dirichlet
prior of concentration ``b``; large: evenly, small: to few of them). Both are set by maximising the
evidence of the expected counts (empirical Bayes: Minka, *Estimating a Dirichlet distribution*,
2000). Their largest values are one rate for all and even spread.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import betaln, gammaln

from chaffinch.core.types import Codes, Floats

STRENGTHS = np.asarray([2, 5, 10, 30, 100, 300, 1000, 1e5])
CONCENTRATIONS = np.asarray([0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 1e4])
LEAST_RATE = 1e-5


@dataclass(frozen=True, eq=False)
class Transition:
    """Probabilities of given labels by right class.

    Attributes:
        matrix: (C, C) probability of the given label (column) by the right class (row).
        degrees: Effective number of parameters, 1 for one common rate.
    """

    matrix: Floats
    degrees: float


def even(rate: float, num_classes: int) -> Floats:
    """(C, C) one rate for all classes, wrong labels spread evenly."""
    matrix = np.full((num_classes, num_classes), rate / (num_classes - 1))
    np.fill_diagonal(matrix, 1 - rate)
    return matrix


def expected_counts(posterior: Floats, codes: Codes) -> Floats:
    """(C, C) expected number of samples by right class (row) and given label (column)."""
    counts = np.zeros((posterior.shape[1], posterior.shape[1]))
    np.add.at(counts.T, codes, posterior)
    return counts


def shrunk(counts: Floats) -> Transition:
    """The posterior mean of the matrix, with the priors that the counts make likeliest.

    Args:
        counts: (C, C) as from `expected_counts`.
    """
    num_classes = len(counts)
    wrong = counts - np.diag(np.diag(counts))
    totals, errors = counts.sum(axis=1), wrong.sum(axis=1)
    rate = float(errors.sum() / max(totals.sum(), LEAST_RATE))
    rate = min(max(rate, LEAST_RATE), 1 - 1 / num_classes)
    strength = max(STRENGTHS, key=lambda a: _evidence_of_rates(errors, totals, rate, a))
    spread = max(CONCENTRATIONS, key=lambda b: _evidence_of_spread(wrong, b))
    rates = (errors + strength * rate) / (totals + strength)
    shares = wrong + spread
    np.fill_diagonal(shares, 0)
    matrix = shares / shares.sum(axis=1, keepdims=True) * rates[:, None]
    np.fill_diagonal(matrix, 1 - rates)
    free = np.maximum((wrong / (wrong + spread)).sum(axis=1) - 1, 0).sum()
    return Transition(matrix, float(1 + (totals / (totals + strength)).sum() + free))


def _evidence_of_rates(errors: Floats, totals: Floats, rate: float, strength: float) -> float:
    """Log-evidence of the errors by class, up to a constant: beta-binomial."""
    low, high = strength * rate, strength * (1 - rate)
    rows = betaln(errors + low, totals - errors + high) - betaln(low, high)
    return float(rows.sum())


def _evidence_of_spread(wrong: Floats, spread: float) -> float:
    """Log-evidence of where the errors of each class go, up to a constant.

    A Dirichlet-multinomial over the other classes; the diagonal of 0 adds nothing to its sum.
    """
    others = len(wrong) - 1
    rows = (gammaln(wrong + spread) - gammaln(spread)).sum(axis=1)
    rows += gammaln(others * spread) - gammaln(others * spread + wrong.sum(axis=1))
    return float(rows.sum())
