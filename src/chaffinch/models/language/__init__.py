"""Language models from Transformers: loading, tokens, and one loss a sample."""

from chaffinch.models.language.adapters import add_lora
from chaffinch.models.language.loading import load_language_model
from chaffinch.models.language.loss import IGNORED, MultiLabelLoss, TokenLoss
from chaffinch.models.language.model import LanguageModel
from chaffinch.models.language.task import TASKS, LanguageTask
from chaffinch.models.language.tokens import (
    Padded,
    TokenInputs,
    encode_pairs,
    encode_texts,
    encode_words,
)

__all__ = [
    "IGNORED",
    "TASKS",
    "LanguageModel",
    "LanguageTask",
    "MultiLabelLoss",
    "Padded",
    "TokenInputs",
    "TokenLoss",
    "add_lora",
    "encode_pairs",
    "encode_texts",
    "encode_words",
    "load_language_model",
]
