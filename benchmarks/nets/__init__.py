"""Networks of the benchmark, what they read, and how they are trained."""

from benchmarks.nets.encoding import Encoding, encode_splits
from benchmarks.nets.recipe import MODELS, factory_for, schedule_for

__all__ = ["MODELS", "Encoding", "encode_splits", "factory_for", "schedule_for"]
