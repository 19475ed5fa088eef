"""How well responses follow from their prompts, by the loss of a causal model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from chaffinch.core.types import Codes, Floats
from chaffinch.models.language.chat import ChatTemplate
from chaffinch.models.language.loss import IGNORED, TokenLoss
from chaffinch.models.language.model import LanguageModel
from chaffinch.models.language.tokens import Padded, TokenInputs, filler_of

_COMMON_END, _LEAST_PROMPTS = 64, 5


@dataclass(frozen=True, eq=False)
class ResponseFit:
    """Losses of N responses under a causal model, in several contexts.

    Attributes:
        model: The model.
        asked: What stands before each response, as token numbers.
        replies: N responses as token numbers, without the token that ends a text; of a
            conversation all from the first answer of the assistant to the last one.
        counted: Which tokens of these count: those that the assistant says.
        start: What stands before a response that is told without its prompt: the token that begins
            a text, and the ending that all prompts share.
        cut: How many samples were longer than the model's most tokens and lost a part.
        plain: How many conversations the chat template did not take, so that they were read as
            plain text.
    """

    model: LanguageModel
    asked: tuple[Tensor, ...]
    replies: tuple[Tensor, ...]
    counted: tuple[Tensor, ...]
    start: Tensor
    cut: int = 0
    plain: int = 0

    @classmethod
    def of(
        cls,
        model: LanguageModel,
        prompts: Sequence[str],
        responses: Sequence[str],
        chats: Sequence[Sequence[Mapping[str, str]]] | None = None,
        template: ChatTemplate | None = None,
    ) -> "ResponseFit":
        """Encode prompts and responses.

        Args:
            model: The model with its tokenizer.
            prompts: N prompts.
            responses: N responses.
            chats: N conversations that end with the responses; by default one question and its
                response each. They count only with a template.
            template: How conversations are written; None for prompt, a space, and response.
        """
        asked, replies, counted, cut, plain = [], [], [], 0, 0
        for row, (prompt, response) in enumerate(zip(prompts, responses, strict=True)):
            pieces = None
            if template is not None:
                chat = _question(prompt, response) if chats is None else chats[row]
                pieces = template.pieces(chat)
                plain += pieces is None
            before, reply, counts = _encoded(model.tokenizer, pieces, prompt, response)
            cut += len(before) + len(reply) > model.length
            asked.append(torch.tensor(before, dtype=torch.int64))
            replies.append(torch.tensor(reply[: model.length - 1], dtype=torch.int64))
            counted.append(torch.tensor(counts[: model.length - 1], dtype=torch.bool))
        start = torch.tensor([_first(model.tokenizer), *_common_end(asked)])
        return cls(model, tuple(asked), tuple(replies), tuple(counted), start, int(cut), int(plain))

    @property
    def tokens(self) -> Codes:
        """(N,) how many tokens of each response count."""
        found: Codes = np.asarray([int(one.sum()) for one in self.counted], dtype=np.int64)
        return found

    def losses(self, rows: Sequence[int], prompts: Sequence[int] | None) -> Floats:
        """Mean loss of the tokens of some responses, in nats a token.

        Args:
            rows: (B,) whose responses.
            prompts: (B,) after whose prompts they are told; None for no prompt at all.

        Returns:
            (B,) losses over the same tokens whatever the prompt: the first one counts as well,
            told from the token that begins a text where no prompt stands before it.
        """
        ids, labels = [], []
        for place, row in enumerate(rows):
            reply = self.replies[row]
            before = self.start if prompts is None else self.asked[prompts[place]]
            before = before[max(0, len(before) + len(reply) - self.model.length) :]
            before = before if len(before) else self.start[:1]
            told = reply.masked_fill(~self.counted[row], IGNORED)
            ids.append(torch.cat([before, reply]))
            labels.append(torch.cat([torch.full_like(before, IGNORED), told]))
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


def _question(prompt: str, response: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": prompt}, {"role": "assistant", "content": response}]


def _encoded(
    tokenizer: Any, pieces: list[tuple[str, bool]] | None, prompt: str, response: str
) -> tuple[list[int], list[int], list[bool]]:
    """Tokens before the response, those of the response, and which of these count."""
    if pieces is None:
        reply = tokenizer(f" {response}", add_special_tokens=False)["input_ids"]
        reply = reply if response.strip() else []
        return tokenizer(prompt)["input_ids"], reply, [True] * len(reply)
    # The template writes the tokens that begin a text itself.
    first = next(place for place, (_, counts) in enumerate(pieces) if counts)
    head = "".join(text for text, _ in pieces[:first])
    before = tokenizer(head, add_special_tokens=False)["input_ids"]
    reply, counted = [], []
    for text, counts in pieces[first:]:
        own = tokenizer(text, add_special_tokens=False)["input_ids"] if text else []
        reply += own
        counted += [counts] * len(own)
    return before, reply, counted


def _first(tokenizer: Any) -> int:
    known = (tokenizer.bos_token_id, tokenizer.eos_token_id, 0)
    return int(next(one for one in known if one is not None))


def _common_end(asked: Sequence[Tensor]) -> list[int]:
    """The ending that all prompts share, as a template gives them; of few prompts nothing."""
    different = {tuple(one.tolist()) for one in asked}
    if len(different) < _LEAST_PROMPTS:
        return []
    shortest = min(map(len, different))
    rows = [one[max(0, len(one) - _COMMON_END) :][::-1] for one in different]
    size = 0
    while size < min(shortest, _COMMON_END) and len({row[size] for row in rows}) == 1:
        size += 1
    return list(rows[0][:size][::-1])
