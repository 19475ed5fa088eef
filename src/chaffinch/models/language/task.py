"""What a language model is asked: the class that loads it, and its loss of each sample."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from chaffinch.core.registry import Registry
from chaffinch.models.language.loss import MultiLabelLoss, TokenLoss

Loss = Callable[[Any, Tensor], Tensor]


@dataclass(frozen=True)
class LanguageTask:
    """A task of a language model.

    Attributes:
        name: What it is called.
        loader: The class of Transformers that loads its models.
        peft: The name that PEFT gives it.
        loss: Outputs and targets in, (N,) losses out; None for the cross-entropy of logits (N, C),
            which everything that takes a loss uses by itself.
    """

    name: str
    loader: str
    peft: str
    loss: Loss | None


TASKS: Registry[LanguageTask] = Registry("language task")
"""All tasks by name."""

for _task in (
    LanguageTask("causal", "AutoModelForCausalLM", "CAUSAL_LM", TokenLoss()),
    LanguageTask("classification", "AutoModelForSequenceClassification", "SEQ_CLS", None),
    LanguageTask("multilabel", "AutoModelForSequenceClassification", "SEQ_CLS", MultiLabelLoss()),
    LanguageTask("tokens", "AutoModelForTokenClassification", "TOKEN_CLS", TokenLoss(shift=False)),
):
    TASKS.add(_task.name, _task)
