"""Experiments on repair: does training on the repaired data give better models?"""

from benchmarks.experiments.repair.experiment import repair, repair_images
from benchmarks.experiments.repair.plane import repair_in_the_plane
from benchmarks.experiments.repair.verified import repair_verified

__all__ = ["repair", "repair_images", "repair_in_the_plane", "repair_verified"]
