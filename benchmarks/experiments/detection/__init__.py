"""The experiment ``detection``: glitches put into real data, one training, every method."""

from benchmarks.experiments.detection.collect import build_situation
from benchmarks.experiments.detection.experiment import detection

__all__ = ["build_situation", "detection"]
