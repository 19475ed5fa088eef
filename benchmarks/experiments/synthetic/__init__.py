"""Experiments in the plane; importing this registers the experiment and its methods."""

from benchmarks.experiments.synthetic import control, experiment, influence, published

__all__ = ["control", "experiment", "influence", "published"]
