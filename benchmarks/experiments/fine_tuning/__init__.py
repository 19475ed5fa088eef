"""The experiment ``text``: flipped labels under a fine-tuned encoder."""

from benchmarks.experiments.fine_tuning.experiment import text

__all__ = ["text"]
