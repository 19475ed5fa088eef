"""Training on labels of which some are wrong, watched: losses, policies, alarms."""

from chaffinch.bench.experiments.training.experiment import training

__all__ = ["training"]
