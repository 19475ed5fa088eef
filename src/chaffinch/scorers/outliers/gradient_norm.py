"""L1 and L2 norms of the last-layer gradient (Chhabra et al., ICML 2025)."""

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import scorer
from chaffinch.core.types import Floats
from chaffinch.scorers.outliers.last_layer import last_layer_gradients

_PAPER = "Chhabra et al., Outlier Gradient Analysis, ICML 2025"
_NEEDS = ("logits", "features")


@scorer("gradient_l1", family="outliers", needs=_NEEDS, paper=_PAPER)
def gradient_l1(evidence: Evidence, _seed: int) -> Floats:
    """L1 norm of the last-layer gradient in the last epoch."""
    return last_layer_gradients(evidence).norm(1).numpy()


@scorer("gradient_l2", family="outliers", needs=_NEEDS, paper=_PAPER)
def gradient_l2(evidence: Evidence, _seed: int) -> Floats:
    """L2 norm of the last-layer gradient in the last epoch."""
    return last_layer_gradients(evidence).norm(2).numpy()
