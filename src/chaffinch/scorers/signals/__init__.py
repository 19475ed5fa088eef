"""Scorers from influence."""
