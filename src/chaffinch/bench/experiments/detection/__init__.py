"""The experiment ``detection``: glitches put into real data, one training, every method."""

from chaffinch.bench.experiments.detection.collect import build_situation
from chaffinch.bench.experiments.detection.experiment import detection

__all__ = ["build_situation", "detection"]
