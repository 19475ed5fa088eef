"""Scorers from influence.

Importing a module registers its scorers.
"""

from chaffinch.scorers.signals import (
    counterfactual,
    relative_influence,
    self_influence,
    validation_influence,
    validation_signal,
)
from chaffinch.scorers.signals.signal import SIGNALS, signal_by_epoch

__all__ = [
    "SIGNALS",
    "counterfactual",
    "relative_influence",
    "self_influence",
    "signal_by_epoch",
    "validation_influence",
    "validation_signal",
]
