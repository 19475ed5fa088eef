"""One isolation forest a class, on last-layer gradients (Chhabra et al., ICML 2025)."""

import numpy as np

from chaffinch.core.evidence import Evidence
from chaffinch.core.randomness import stream
from chaffinch.core.scorer import scorer
from chaffinch.core.types import Codes, Floats
from chaffinch.scorers.outliers.isolation_forest import (
    VirtualColumns,
    gradient_columns,
    isolation_scores,
)

_SMALLEST_CLASS = 3  # in a class of two each sample is as isolated as the other


def isolation_in_class(columns: VirtualColumns, codes: Codes, seed: int) -> Floats:
    """Isolation of N samples among those of the same given label.

    Args:
        columns: The gradient matrix, by columns.
        codes: (N,) given labels.
        seed: Decides all forests; each class has a stream of its own.

    Returns:
        (N,) anomaly scores in 0..1; 0.5 (ordinary) in classes of fewer than three.
    """
    scores = np.full(len(codes), 0.5)
    for code in np.unique(codes):
        members = np.flatnonzero(codes == code)
        if len(members) < _SMALLEST_CLASS:
            continue
        part = VirtualColumns(columns.errors[:, members], columns.inputs[:, members])
        drawn = int(stream(seed, f"isolation forest of class {code}").integers(2**31))
        scores[members] = isolation_scores(part, drawn)
    return scores


@scorer(
    "gradient_forest_by_class",
    family="outliers",
    needs=("logits", "features"),
    paper="Chhabra et al., Outlier Gradient Analysis, ICML 2025; Liu et al., ICDM 2008",
)
def gradient_forest_by_class(evidence: Evidence, seed: int) -> Floats:
    """Isolation forest on the last-layer gradients of each given class apart."""
    return isolation_in_class(gradient_columns(evidence), evidence.labels.codes, seed)
