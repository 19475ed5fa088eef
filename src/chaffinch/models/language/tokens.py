"""From texts to token numbers: rows of different lengths, padded batch by batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from chaffinch.core.errors import InputError
from chaffinch.models.language.loss import IGNORED

Encoded = tuple["TokenInputs", "Padded"]


@dataclass(frozen=True, eq=False)
class Padded:
    """N rows of numbers of different lengths.

    Attributes:
        rows: N tensors (T_n,).
        filler: What shorter rows of a batch are filled up with, on the right.
    """

    rows: tuple[Tensor, ...]
    filler: int = IGNORED

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, index: Tensor) -> Tensor:
        """(B, T) rows at the positions ``index``, T the longest of them."""
        chosen = [self.rows[i] for i in index.tolist()]
        return pad_sequence(chosen, batch_first=True, padding_value=self.filler)

    def take(self, index: Sequence[int]) -> "Padded":
        """The rows at ``index``, in that order."""
        return Padded(tuple(self.rows[i] for i in index), self.filler)


@dataclass(frozen=True, eq=False)
class TokenInputs:
    """N texts as inputs of a model of Transformers.

    Attributes:
        tokens: Token numbers.
    """

    tokens: Padded

    def __len__(self) -> int:
        return len(self.tokens)

    def batch(self, index: Tensor) -> dict[str, Tensor]:
        """``input_ids`` and ``attention_mask``, both (B, T)."""
        lengths = torch.tensor([len(self.tokens.rows[i]) for i in index.tolist()])
        ids = self.tokens.batch(index)
        mask = torch.arange(ids.shape[1]) < lengths[:, None]
        return {"input_ids": ids, "attention_mask": mask.long()}

    def take(self, index: Sequence[int]) -> "TokenInputs":
        """The texts at ``index``, in that order."""
        return TokenInputs(self.tokens.take(index))

    @property
    def lengths(self) -> list[int]:
        """(N,) numbers of tokens."""
        return [len(row) for row in self.tokens.rows]


def encode_pairs(
    tokenizer: Any,
    prompts: Sequence[str],
    responses: Sequence[str],
    length: int = 512,
    *,
    count_prompt: bool = False,
) -> Encoded:
    """Prompts with their responses for a causal model.

    A space and the response follow the prompt, and the token that ends a text follows them. What is
    longer than ``length`` loses the beginning of the prompt, then the end of the response.

    Args:
        tokenizer: A tokenizer of Transformers.
        prompts: N prompts.
        responses: N responses.
        length: Maximum number of tokens per sample.
        count_prompt: Whether the tokens of the prompt count in the loss, too.

    Returns:
        Inputs, and labels that are `IGNORED` where a token does not count.

    Raises:
        InputError: As many prompts as responses are wanted, and room for two tokens.
    """
    if len(prompts) != len(responses) or length < 2:
        raise InputError(
            "as many responses as prompts, and a length of at least 2",
            f"{len(prompts)} prompts, {len(responses)} responses, length {length}",
            "Pass one response for each prompt",
        )
    if not len(prompts):
        return TokenInputs(Padded((), 0)), Padded(())
    before = tokenizer([str(one) for one in prompts])["input_ids"]
    behind = tokenizer([f" {one}" for one in responses], add_special_tokens=False)["input_ids"]
    final = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    ids, labels = [], []
    for asked, answered in zip(before, behind, strict=True):
        reply = [*answered, *final][: length - 1]
        kept = asked[max(0, len(asked) + len(reply) - length) :]
        hidden = kept if count_prompt else [IGNORED] * len(kept)
        ids.append(torch.tensor([*kept, *reply]))
        labels.append(torch.tensor([*hidden, *reply]))
    return TokenInputs(Padded(tuple(ids), filler_of(tokenizer))), Padded(tuple(labels))


def encode_texts(tokenizer: Any, texts: Sequence[str], length: int = 512) -> TokenInputs:
    """Texts for a classifier of whole texts, cut at ``length`` tokens."""
    if not len(texts):
        return TokenInputs(Padded((), 0))
    found = tokenizer([str(one) for one in texts], truncation=True, max_length=length)["input_ids"]
    return TokenInputs(Padded(tuple(map(torch.tensor, found)), filler_of(tokenizer)))


def encode_words(
    tokenizer: Any, words: Sequence[Sequence[str]], tags: Sequence[Sequence[int]], length: int = 512
) -> Encoded:
    """Words with one tag each, for a classifier of tokens (named entities and the like).

    The first token of a word carries its tag; the others are `IGNORED`.

    Args:
        tokenizer: A fast tokenizer of Transformers, which knows the word of each token.
        words: N lists of words.
        tags: N lists with the code of each word.
        length: Maximum number of tokens per sample.

    Raises:
        InputError: As many tags as words are wanted, in every sample.
    """
    wrong = [
        i for i, (one, two) in enumerate(zip(words, tags, strict=True)) if len(one) != len(two)
    ]
    if wrong:
        at = wrong[0]
        raise InputError(
            "one tag for each word",
            f"{len(tags[at])} for {len(words[at])} words in sample {at}",
            "Align words and tags",
        )
    ids, labels = [], []
    for one, codes in zip(words, tags, strict=True):
        found = tokenizer(list(one), is_split_into_words=True, truncation=True, max_length=length)
        places = found.word_ids()
        first = [at is not None and (not i or places[i - 1] != at) for i, at in enumerate(places)]
        ids.append(torch.tensor(found["input_ids"]))
        labels.append(
            torch.tensor(
                [codes[at] if new else IGNORED for at, new in zip(places, first, strict=True)]
            )
        )
    return TokenInputs(Padded(tuple(ids), filler_of(tokenizer))), Padded(tuple(labels))


def filler_of(tokenizer: Any) -> int:
    """The number that fills up short rows; any will do, as the attention mask hides it."""
    known = (tokenizer.pad_token_id, tokenizer.eos_token_id, 0)
    return int(next(one for one in known if one is not None))
