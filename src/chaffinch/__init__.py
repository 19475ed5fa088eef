"""Chaffinch finds the chaff in your training data."""

__version__ = "0.1.0"
