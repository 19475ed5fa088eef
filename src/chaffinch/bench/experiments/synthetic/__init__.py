"""Experiments in the plane; importing this registers the experiment and its methods."""

from chaffinch.bench.experiments.synthetic import control, experiment, influence, published

__all__ = ["control", "experiment", "influence", "published"]
