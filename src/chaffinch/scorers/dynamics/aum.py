"""Area under the margin (Pleiss et al., NeurIPS 2020)."""

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import scorer
from chaffinch.core.types import Codes, Floats
from chaffinch.scorers.probability import margin, mean_over_epochs


def area_under_margin(logits: Floats, codes: Codes) -> Floats:
    """(N,) mean over epochs of the label's logit minus the largest other; low = suspicious."""
    return mean_over_epochs(logits, lambda epoch: margin(epoch, codes))


@scorer(
    "aum",
    family="dynamics",
    needs=("logits",),
    paper="Pleiss et al., Identifying Mislabeled Data using the Area Under the Margin, 2020",
)
def aum(evidence: Evidence, _seed: int) -> Floats:
    """Negative mean logit margin of the given label over epochs; robust across data sets."""
    return -area_under_margin(evidence.need("logits"), evidence.labels.codes)
