"""L1 and L2 norms of the last-layer gradient (Chhabra et al., ICML 2025), plain and by class."""

import numpy as np

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import scorer
from chaffinch.core.types import Codes, Floats
from chaffinch.scorers.outliers.last_layer import last_layer_gradients

_PAPER = "Chhabra et al., Outlier Gradient Analysis, ICML 2025"
_NEEDS = ("logits", "features")
_NORMAL_MAD = 1.4826  # standard deviation of a normal distribution over its median deviation


def deviation_in_class(values: Floats, codes: Codes) -> Floats:
    """How many standard deviations each value lies above the median of its class.

    The scale is the class's median absolute deviation times 1.4826 (the mean absolute deviation
    where more than half of the class are equal), so that a class full of outliers hides none.

    Args:
        values: (N,) numbers, higher = more suspicious.
        codes: (N,) given labels.

    Returns:
        (N,) deviations; 0 in a class without any spread.
    """
    result = np.zeros(len(values))
    for code in np.unique(codes):
        members = codes == code
        away = values[members] - np.median(values[members])
        spread = _NORMAL_MAD * np.median(np.abs(away)) or np.abs(away).mean()
        result[members] = away / spread if spread > 0 else 0.0
    return result


def _norms(evidence: Evidence, order: int) -> Floats:
    norms: Floats = last_layer_gradients(evidence).norm(1 if order == 1 else 2).numpy()
    return norms


@scorer("gradient_l1", family="outliers", needs=_NEEDS, paper=_PAPER)
def gradient_l1(evidence: Evidence, _seed: int) -> Floats:
    """L1 norm of the last-layer gradient in the last epoch."""
    return _norms(evidence, 1)


@scorer("gradient_l2", family="outliers", needs=_NEEDS, paper=_PAPER)
def gradient_l2(evidence: Evidence, _seed: int) -> Floats:
    """L2 norm of the last-layer gradient in the last epoch."""
    return _norms(evidence, 2)


@scorer("gradient_l1_by_class", family="outliers", needs=_NEEDS, paper=_PAPER)
def gradient_l1_by_class(evidence: Evidence, _seed: int) -> Floats:
    """L1 norm of the last-layer gradient, in robust deviations from the class's median."""
    return deviation_in_class(_norms(evidence, 1).astype(np.float64), evidence.labels.codes)


@scorer("gradient_l2_by_class", family="outliers", needs=_NEEDS, paper=_PAPER)
def gradient_l2_by_class(evidence: Evidence, _seed: int) -> Floats:
    """L2 norm of the last-layer gradient, in robust deviations from the class's median."""
    return deviation_in_class(_norms(evidence, 2).astype(np.float64), evidence.labels.codes)
