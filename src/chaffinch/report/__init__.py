"""The self-contained HTML report and the terminal summary of a finished run."""

from chaffinch.report.page import render, write
from chaffinch.report.terminal import summary

__all__ = ["render", "summary", "write"]
