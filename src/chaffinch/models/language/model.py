"""A language model with its tokenizer and what it is asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from chaffinch.models.language.task import LanguageTask, Loss
from chaffinch.models.language.tokens import Encoded, TokenInputs, encode_pairs, encode_texts


@dataclass(frozen=True, eq=False)
class LanguageModel:
    """A language model, its tokenizer and what it is asked.

    Attributes:
        model: The model; only parameters that require gradients count.
        tokenizer: Its tokenizer.
        task: What it is asked.
        length: Maximum number of tokens per sample.
    """

    model: nn.Module
    tokenizer: Any
    task: LanguageTask
    length: int = 512

    @property
    def loss(self) -> Loss | None:
        """The loss of each sample, for `capture`, `self_influence` and `attribute`."""
        return self.task.loss

    @property
    def layers(self) -> str:
        """The layers that count by default: adapters, else the head, else the last block."""
        if any("lora_" in name for name, _ in self.model.named_parameters()):
            return "lora"
        return "last_block" if self.task.name == "causal" else "head"

    def pairs(
        self, prompts: Sequence[str], responses: Sequence[str], *, count_prompt: bool = False
    ) -> Encoded:
        """Prompts and responses as data (X, y) of a causal model; see `encode_pairs`."""
        return encode_pairs(
            self.tokenizer, prompts, responses, self.length, count_prompt=count_prompt
        )

    def texts(self, texts: Sequence[str], labels: Any) -> tuple[TokenInputs, Tensor]:
        """Texts with class codes (N,), or several labels (N, C), as data (X, y)."""
        return encode_texts(self.tokenizer, texts, self.length), torch.as_tensor(labels)
