"""Scorers from predicted probabilities: label quality."""
