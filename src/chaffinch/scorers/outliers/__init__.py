"""Scorers from outliers in gradient space."""
