"""Findings to other tools, and reviewers' decisions back from them."""

from chaffinch.pipeline.exchange.export import FORMATS, export_run
from chaffinch.pipeline.exchange.reading import SOURCES, import_decisions

__all__ = ["FORMATS", "SOURCES", "export_run", "import_decisions"]
