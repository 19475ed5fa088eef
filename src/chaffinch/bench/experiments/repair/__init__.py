"""Experiments on repair: does training on the repaired data give better models?"""

from chaffinch.bench.experiments.repair.experiment import repair
from chaffinch.bench.experiments.repair.plane import repair_in_the_plane

__all__ = ["repair", "repair_in_the_plane"]
