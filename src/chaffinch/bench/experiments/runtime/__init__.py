"""The experiment ``runtime``: seconds and peak memory of each method on factors of some size."""

from chaffinch.bench.experiments.runtime.experiment import LEFT_OUT, runtime
from chaffinch.bench.experiments.runtime.factors import Sizes
from chaffinch.bench.experiments.runtime.work import INFLUENCE, expand

__all__ = ["INFLUENCE", "LEFT_OUT", "Sizes", "expand", "runtime"]
