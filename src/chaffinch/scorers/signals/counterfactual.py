"""Counterfactual signals: what a sample's influence would be under another label.

The gradient under another label has a closed form for a last layer, so nothing is computed twice
but the block of the influence matrix.
"""

from dataclasses import dataclass

import numpy as np

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import scorer
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.scorers.fusion import mean_rank
from chaffinch.scorers.signals.signal import early_signal, traced_signals
from chaffinch.scorers.signals.validation_signal import EARLY_NEEDS, NEEDS

_PAPER = "Myrtakis et al., counterfactual influence signals, KDD 2025"


@dataclass(frozen=True, eq=False)
class Counterfactual:
    """What CFRank says of N samples.

    Attributes:
        score: (N,) the larger of the ranks by CNCI and by PCID, 0 to 1.
        anomalous: (N,) whether PCID has the larger rank: an anomaly rather than a wrong label.
        proposed: (N,) the label proposed by CNCI, as a code; of use where ``anomalous`` is false.
    """

    score: Floats
    anomalous: Mask
    proposed: Codes


def counterfactual(evidence: Evidence) -> Counterfactual:
    """Rank by both counterfactual signals and propose labels.

    Raises:
        InputError: A record is missing.
    """
    signals = traced_signals(evidence)
    wrong, strange = mean_rank([signals["cnci"]]), mean_rank([signals["pcid"]])
    proposed = signals["proposed"].astype(np.int64)
    return Counterfactual(np.maximum(wrong, strange), strange > wrong, proposed)


@scorer("cnci", family="signals", needs=NEEDS, paper=_PAPER)
def cnci(evidence: Evidence, _seed: int) -> Floats:
    """CNCI: how little the given class would be hurt if the sample bore the label it hurts most."""
    return traced_signals(evidence)["cnci"]


@scorer("cnci_early", family="signals", needs=EARLY_NEEDS, paper=_PAPER)
def cnci_early(evidence: Evidence, _seed: int) -> Floats:
    """CNCI over the first third of the epochs."""
    return early_signal(evidence, "cnci")


@scorer("pcid", family="signals", needs=NEEDS, paper=_PAPER)
def pcid(evidence: Evidence, _seed: int) -> Floats:
    """PCID: how little the sample helps, and how little another label would change; anomalies."""
    return traced_signals(evidence)["pcid"]


@scorer("pcid_early", family="signals", needs=EARLY_NEEDS, paper=_PAPER)
def pcid_early(evidence: Evidence, _seed: int) -> Floats:
    """PCID over the first third of the epochs."""
    return early_signal(evidence, "pcid")


@scorer("cfrank", family="signals", needs=NEEDS, paper=_PAPER)
def cfrank(evidence: Evidence, _seed: int) -> Floats:
    """CFRank: the larger of the ranks by CNCI (wrong labels) and by PCID (anomalies)."""
    return counterfactual(evidence).score
