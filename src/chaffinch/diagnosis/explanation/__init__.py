"""Why a sample was judged as it was: the signs, in figures and in one sentence."""

from chaffinch.core.explanation import (
    Explanation,
    Firing,
    Influence,
    Neighbour,
)
from chaffinch.diagnosis.explanation.explain import describe, explain

__all__ = ["Explanation", "Firing", "Influence", "Neighbour", "describe", "explain"]
