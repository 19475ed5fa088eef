"""The experiment ``text``: flipped labels under a fine-tuned encoder."""

from chaffinch.bench.fine_tuning.experiment import text

__all__ = ["text"]
