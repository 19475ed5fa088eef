"""Data sheets: what the data are, where they come from, and which faults are known."""

from chaffinch.pipeline.datasheet.about import About, read_about
from chaffinch.pipeline.datasheet.croissant import croissant
from chaffinch.pipeline.datasheet.page import page, write_sheet
from chaffinch.pipeline.datasheet.sheet import Sheet, sheet_of

__all__ = ["About", "Sheet", "croissant", "page", "read_about", "sheet_of", "write_sheet"]
