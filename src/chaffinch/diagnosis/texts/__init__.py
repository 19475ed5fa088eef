"""What texts have in common, and where they say the same: near duplicates without a model."""

from chaffinch.diagnosis.texts.near import NEAR, NearTexts
from chaffinch.diagnosis.texts.shared import shared_words
from chaffinch.diagnosis.texts.words import Words, read_words

__all__ = ["NEAR", "NearTexts", "Words", "read_words", "shared_words"]
