"""Scorers from the uncertainty of predictions.

Importing a module registers its scorers.
"""

from chaffinch.scorers.uncertainty import ensembles, uq_led

__all__ = ["ensembles", "uq_led"]
