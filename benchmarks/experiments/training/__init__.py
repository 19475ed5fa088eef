"""Training on labels of which some are wrong, watched: losses, policies, alarms."""

from benchmarks.experiments.training.experiment import training

__all__ = ["training"]
