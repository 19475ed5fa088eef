"""Data sets of the benchmark: looked up, never shipped, split afresh for every seed."""

from chaffinch.bench.data.place import data_folder, need_file
from chaffinch.bench.data.source import NAMES, Source, load_source
from chaffinch.bench.data.split import Part, Sizes, Splits, draw_splits

__all__ = [
    "NAMES",
    "Part",
    "Sizes",
    "Source",
    "Splits",
    "data_folder",
    "draw_splits",
    "load_source",
    "need_file",
]
