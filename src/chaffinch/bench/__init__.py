"""Glitches to inject into clean data, to measure what is found."""

from chaffinch.bench import inject

__all__ = ["inject"]
