"""Scorers from neighbours in a space of features."""
