"""The experiment ``runtime``: seconds and peak memory of each method on factors of some size."""

from benchmarks.experiments.runtime.experiment import LEFT_OUT, runtime
from benchmarks.experiments.runtime.factors import Sizes
from benchmarks.experiments.runtime.work import INFLUENCE, expand

__all__ = ["INFLUENCE", "LEFT_OUT", "Sizes", "expand", "runtime"]
