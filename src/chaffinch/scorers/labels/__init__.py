"""Scorers from predicted probabilities: label quality."""

from chaffinch.scorers.labels import confident_learning, quality

__all__ = ["confident_learning", "quality"]
