"""Signals as published, quirks included; each summary names its quirks.

All of Myrtakis et al. (2024): influence on a clean validation set by TracIn on the last layer. The
study flags as many samples as there are errors, a number that nobody knows: here that is the
"own" threshold of these methods, and theirs alone. Under the protocol ``paper`` its injection is
reproduced too, which draws the label of a flip among all classes, so that one of C keeps its own.
"""

import numpy as np

from benchmarks.method import METHODS, Method, Scored
from benchmarks.situation import Situation
from chaffinch.core.types import Floats, Mask
from chaffinch.scorers import SCORERS

_THRESHOLD = "the threshold is given the true number of errors"
_SIGNALS = {
    "SI (paper)": ("self_influence", "Self-influence"),
    "MI (paper)": (
        "mean_influence_published",
        "Mean influence with the sign turned, so that it flags the samples that help most",
    ),
    "AAI (paper)": ("absolute_influence", "Mean absolute influence"),
    "GD-class (paper)": (
        "gd_class_published",
        "Influence on the class hurt most; classes without validation samples add a zero",
    ),
    "CNCI (paper)": ("cnci_published", "CNCI of the last epoch alone"),
}


def most_suspicious(scores: Floats, count: int) -> Mask:
    """(N,) the ``count`` samples of highest score; of equal ones, the first rows."""
    flagged = np.zeros(len(scores), dtype=np.bool_)
    flagged[np.argsort(-scores, kind="stable")[:count]] = True
    return flagged


def _published(name: str, scorer_name: str, words: str) -> Method:
    scorer = SCORERS[scorer_name]

    def runs_on(situation: Situation) -> bool:
        return scorer.runs_on(situation.evidence)

    def function(situation: Situation, seed: int) -> Scored:
        scores = scorer(situation.evidence, seed)
        return Scored(scores, most_suspicious(scores, int(situation.errors.sum())))

    return Method(name, "paper", f"{words}; {_THRESHOLD}", runs_on, function)


for _name, (_scorer, _words) in _SIGNALS.items():
    METHODS.add(_name, _published(_name, _scorer, _words))
