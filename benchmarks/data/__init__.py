"""Data sets of the benchmark: looked up, never shipped, split afresh for every seed."""

from benchmarks.data.place import data_folder, need_file
from benchmarks.data.source import NAMES, Source, load_or_exit, load_source
from benchmarks.data.split import Part, Sizes, Splits, draw_splits

__all__ = [
    "NAMES",
    "Part",
    "Sizes",
    "Source",
    "Splits",
    "data_folder",
    "draw_splits",
    "load_or_exit",
    "load_source",
    "need_file",
]
