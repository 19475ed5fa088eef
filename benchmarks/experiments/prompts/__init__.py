"""The experiment ``prompts``: which training prompts taught a language model its answers."""

from benchmarks.experiments.prompts.experiment import prompts

__all__ = ["prompts"]
