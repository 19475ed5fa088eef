"""Signals as published, quirks included; each summary names its quirks.

All of Myrtakis et al. (2024): influence on a clean validation set by TracIn on the last layer. The
study flags as many samples as there are errors, a number that nobody knows: here that is the
"own" threshold of these methods, and theirs alone. Under the protocol ``paper`` its injection is
reproduced too, which draws the label of a flip among all classes, so that one of C keeps its own.
"""

from collections.abc import Callable

import numpy as np

from benchmarks.method import METHODS, Method, Scored
from benchmarks.situation import Situation
from chaffinch.core.evidence import Evidence
from chaffinch.core.types import Floats, Mask
from chaffinch.scorers import SCORERS
from chaffinch.scorers.signals import signal_by_epoch

_THRESHOLD = "the threshold is given the true number of errors"
Score = Callable[[Evidence], Floats]


def mean_influence(evidence: Evidence) -> Floats:
    """(N,) MI with the sign of the released code, which flags the samples that help most."""
    return -SCORERS["mean_influence"](evidence)


def gd_class(evidence: Evidence) -> Floats:
    """(N,) GD-class as released: a class without validation samples counts as one not hurt."""
    scores = SCORERS["gd_class"](evidence)
    codes = evidence.need("validation_codes")
    missing = len(np.unique(codes)) < len(evidence.labels.classes)
    return np.maximum(scores, 0.0) if missing else scores


def cnci(evidence: Evidence) -> Floats:
    """(N,) CNCI as released, from the last epoch alone."""
    scores: Floats = signal_by_epoch(evidence, "cnci")[-1]
    return scores


_SIGNALS: dict[str, tuple[str, Score, str]] = {
    "SI (paper)": ("self_influence", SCORERS["self_influence"], "Self-influence"),
    "MI (paper)": (
        "mean_influence",
        mean_influence,
        "Mean influence with the sign turned, so that it flags the samples that help most",
    ),
    "AAI (paper)": (
        "absolute_influence",
        SCORERS["absolute_influence"],
        "Mean absolute influence",
    ),
    "GD-class (paper)": (
        "gd_class",
        gd_class,
        "Influence on the class hurt most; classes without validation samples add a zero",
    ),
    "CNCI (paper)": ("cnci", cnci, "CNCI of the last epoch alone"),
}
"""By name: the scorer that needs the same records, the scores, and words."""


def most_suspicious(scores: Floats, count: int) -> Mask:
    """(N,) the ``count`` samples of highest score; of equal ones, the first rows."""
    flagged = np.zeros(len(scores), dtype=np.bool_)
    flagged[np.argsort(-scores, kind="stable")[:count]] = True
    return flagged


def _published(name: str, alike: str, score: Score, words: str) -> Method:
    def runs_on(situation: Situation) -> bool:
        return SCORERS[alike].runs_on(situation.evidence)

    def function(situation: Situation, _seed: int) -> Scored:
        scores = score(situation.evidence)
        return Scored(scores, most_suspicious(scores, int(situation.errors.sum())))

    return Method(name, "paper", f"{words}; {_THRESHOLD}", runs_on, function)


for _name, (_alike, _score, _words) in _SIGNALS.items():
    METHODS.add(_name, _published(_name, _alike, _score, _words))
