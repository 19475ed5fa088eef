"""How well responses follow from their prompts, by the loss of a causal model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from chaffinch.core.types import Floats
from chaffinch.models.language.loss import IGNORED, TokenLoss
from chaffinch.models.language.model import LanguageModel
from chaffinch.models.language.tokens import Padded, TokenInputs, filler_of


@dataclass(frozen=True, eq=False)
class ResponseFit:
    """Losses of N responses under a causal model, in several contexts.

    Attributes:
        model: The model.
        asked: N prompts as token numbers.
        replies: N responses as token numbers, with the token that ends a text.
    """

    model: LanguageModel
    asked: tuple[Tensor, ...]
    replies: tuple[Tensor, ...]

    @classmethod
    def of(
        cls, model: LanguageModel, prompts: Sequence[str], responses: Sequence[str]
    ) -> "ResponseFit":
        """Encode prompts and responses as they are encoded for training."""
        inputs, labels = model.pairs(prompts, responses)
        both = list(zip(inputs.tokens.rows, labels.rows, strict=True))
        return cls(
            model,
            tuple(ids[hidden == IGNORED] for ids, hidden in both),
            tuple(ids[hidden != IGNORED] for ids, hidden in both),
        )

    def losses(self, rows: Sequence[int], prompts: Sequence[int] | None) -> Floats:
        """Mean loss of the tokens of some responses, in nats a token.

        Args:
            rows: (B,) whose responses.
            prompts: (B,) after whose prompts they are told; None for no prompt at all.

        Returns:
            (B,) losses over the same tokens whatever the prompt: the first one counts as well,
            told from the token that begins a text where no prompt stands before it.
        """
        start = torch.tensor([self._start])
        ids, labels = [], []
        for place, row in enumerate(rows):
            reply = self.replies[row]
            before = start if prompts is None else self.asked[prompts[place]]
            before = before[max(0, len(before) + len(reply) - self.model.length) :]
            before = before if len(before) else start
            ids.append(torch.cat([before, reply]))
            labels.append(torch.cat([torch.full_like(before, IGNORED), reply]))
        inputs = TokenInputs(Padded(tuple(ids), filler_of(self.model.tokenizer)))
        everyone = torch.arange(len(ids))
        device = next(self.model.model.parameters()).device
        batch = {name: one.to(device) for name, one in inputs.batch(everyone).items()}
        with torch.no_grad():
            outputs = self.model.model(**batch)
            found = TokenLoss()(outputs, Padded(tuple(labels)).batch(everyone).to(device))
        losses: Floats = found.float().cpu().numpy()
        return losses

    def fill(
        self,
        losses: Floats,
        prompts: Sequence[int] | None,
        batch_size: int,
        done: Callable[[int], None],
    ) -> None:
        """Put the losses of all responses in their places that are still NaN.

        Args:
            losses: (N,) to be filled, batch by batch; what is there already is kept.
            prompts: (N,) after whose prompts, or None.
            batch_size: Responses in one pass; those of similar length go together.
            done: Told after each batch how many there were.
        """
        lengths = [
            len(reply) + (0 if prompts is None else len(self.asked[prompts[row]]))
            for row, reply in enumerate(self.replies)
        ]
        missing = [row for row, one in enumerate(losses.tolist()) if one != one]
        missing.sort(key=lambda row: lengths[row])
        done(len(losses) - len(missing))
        for start in range(0, len(missing), batch_size):
            rows = missing[start : start + batch_size]
            given = None if prompts is None else [prompts[row] for row in rows]
            losses[rows] = self.losses(rows, given)
            done(len(rows))

    @property
    def _start(self) -> int:
        tokenizer = self.model.tokenizer
        known = (tokenizer.bos_token_id, tokenizer.eos_token_id, 0)
        return int(next(one for one in known if one is not None))
