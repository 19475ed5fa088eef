"""Networks of the benchmark, what they read, and how they are trained."""

from chaffinch.bench.nets.encoding import Encoding, encode_splits
from chaffinch.bench.nets.recipe import MODELS, factory_for, schedule_for

__all__ = ["MODELS", "Encoding", "encode_splits", "factory_for", "schedule_for"]
