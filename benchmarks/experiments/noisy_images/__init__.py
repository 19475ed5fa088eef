"""The experiment ``cifar10n``: labels that people got wrong."""

from benchmarks.experiments.noisy_images.experiment import cifar10n

__all__ = ["cifar10n"]
