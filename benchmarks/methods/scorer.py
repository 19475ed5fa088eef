"""Every scorer of the library as a method."""

from benchmarks.method import METHODS, Method, Scored
from benchmarks.situation import Situation
from chaffinch.core.scorer import Scorer
from chaffinch.scorers import SCORERS


def as_method(scorer: Scorer) -> Method:
    """A method that asks a scorer; it runs where the evidence has what the scorer needs."""

    def runs_on(situation: Situation) -> bool:
        return scorer.runs_on(situation.evidence)

    def function(situation: Situation, seed: int) -> Scored:
        return Scored(scorer(situation.evidence, seed))

    return Method(scorer.name, "scorer", scorer.summary, runs_on, function)


for _name, _scorer in SCORERS.items():
    METHODS.add(_name, as_method(_scorer))
