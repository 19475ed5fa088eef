"""Responses that belong to another prompt, by the rare words that they take from one."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from chaffinch.core.randomness import stream
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.diagnosis.texts.near import NearTexts
from chaffinch.diagnosis.texts.word_lists import FUNCTION_WORDS

LEAST_SAMPLES = 50
"""Fewer samples do not show what responses have in common with their prompts."""

LEAST_SHARE = 0.5
"""Share of responses that must have a rare word of their own prompt, or words tell nothing."""

_COMMON = 30
"""A word that more prompts have points at none of them."""

_STEM, _LEAST_LETTERS = 6, 3
_STRANGE = 0.95
_SURE = 0.9
_ROWS = 4096


@dataclass(frozen=True, eq=False)
class Borrowed:
    """What N responses share with prompts.

    Attributes:
        own: (N,) cosine of the rare words with those of the own prompt.
        other: (N,) the largest cosine with another prompt.
        partner: (N,) which different prompt that is; -1 for none.
        chance: (N,) how likely the response belongs to that prompt; 0 where words tell nothing.
    """

    own: Floats
    other: Floats
    partner: Codes
    chance: Floats

    @property
    def mismatch(self) -> Floats:
        """(N,) 0..1, higher = more in common with another prompt than with the own one."""
        found: Floats = np.clip((1 + self.other - self.own) / 2, 0, 1)
        return np.where(self.own + self.other > 0, found, 0.5 * (self.own.max(initial=0) > 0))


def borrowed(
    prompts: NearTexts, asked: Codes, responses: NearTexts, given: Codes, blank: Mask
) -> Borrowed:
    """Compare responses with their own prompts and with those of others.

    Args:
        prompts: The different prompts.
        asked: (N,) which of them each sample has.
        responses: The different responses.
        given: (N,) which of them each sample has.
        blank: (N,) whether there is no response.
    """
    stems = _Stems.of(prompts, responses)
    left, right = stems.matrix(prompts, 0), stems.matrix(responses, 1)
    own = _cosines(right[given], left[asked])
    in_use = np.bincount(asked, minlength=len(prompts.words)) > 0
    # Only words that the own prompt lacks point elsewhere.
    foreign = right[given] - right[given].multiply(left[asked] > 0)
    other, partner = _best(_of_unit_length(foreign), left, asked, in_use)
    own[blank], other[blank] = 0, 0
    order = stream(0, "prompts of strangers").permutation(len(asked))
    strange = np.empty(len(asked))
    strange[order] = _cosines(right[given[order]], left[asked[np.roll(order, 1)]])
    several = np.bincount(given)[given] > 1
    return Borrowed(own, other, partner, _chances(own, other, strange, several, blank))


def _cosines(left: sparse.csr_matrix, right: sparse.csr_matrix) -> Floats:
    return np.asarray(left.multiply(right).sum(axis=1)).ravel()


def _best(
    responses: sparse.csr_matrix, prompts: sparse.csr_matrix, asked: Codes, in_use: Mask
) -> tuple[Floats, Codes]:
    """The largest cosine with the prompt of another sample, by words that few prompts have."""
    counts = np.bincount(prompts.indices, minlength=prompts.shape[1])
    rare = sparse.diags((counts <= _COMMON).astype(float)) if len(counts) else None
    few = (sparse.diags(in_use.astype(float)) @ prompts @ rare).T.tocsr()
    best, place = np.zeros(len(asked)), np.full(len(asked), -1)
    for start in range(0, len(asked), _ROWS):
        block = (responses[start : start + _ROWS] @ few).tocsr()
        rows = np.repeat(np.arange(block.shape[0]), np.diff(block.indptr))
        block.data[block.indices == asked[start + rows]] = 0
        order = np.lexsort((-block.indices, block.data, rows))
        rows, data, columns = rows[order], block.data[order], block.indices[order]
        last = np.flatnonzero(np.diff(rows, append=-1))
        hit = last[data[last] > 0]
        best[start + rows[hit]], place[start + rows[hit]] = data[hit], columns[hit]
    return best, place


def _chances(own: Floats, other: Floats, strange: Floats, several: Mask, blank: Mask) -> Floats:
    """(N,) how likely each response belongs to another prompt.

    What a right response shares with prompts of others, beside the words of its own, is seen where
    it shares much with its own.
    Among responses that share no more with their own prompts than with any, those far above that
    are more than chance explains: one minus the share of false discoveries among them.
    """
    chance = np.zeros(len(own))
    here = ~blank
    bound = np.quantile(strange[here], _STRANGE) if here.any() else 0.0
    related = here & (own > bound)
    if here.sum() < LEAST_SAMPLES or related.sum() < LEAST_SHARE * here.sum():
        return chance
    apart = np.flatnonzero(here & ~related & ~several & (other > own))
    apart = apart[np.argsort(-other[apart], kind="stable")]
    usual = np.sort(other[related])
    above = (len(usual) - np.searchsorted(usual, other[apart]) + 1) / (len(usual) + 1)
    number = (here & ~related).sum()
    false = number * above / np.arange(1, len(apart) + 1)
    # The more it shares with another prompt, the likelier it is that it belongs there.
    chance[apart] = np.clip(1 - np.minimum.accumulate(false[::-1])[::-1], 0, _SURE)
    return chance


@dataclass(frozen=True, eq=False)
class _Stems:
    """The beginnings of words that prompts and responses have in common."""

    codes: tuple[Codes, Codes]
    weights: Floats

    @classmethod
    def of(cls, prompts: NearTexts, responses: NearTexts) -> "_Stems":
        words = [*prompts.words.vocabulary, *responses.words.vocabulary]
        codes, names = pd.factorize(np.asarray([word[:_STEM] for word in words], dtype=object))
        border = len(prompts.words.vocabulary)
        split = codes[:border], codes[border:]
        weights = np.full(len(names), np.inf)
        for texts, own in ((prompts, split[0]), (responses, split[1])):
            # The rarest form of a word stands for all of them, the larger side for both.
            least = np.full(len(names), np.inf)
            np.minimum.at(least, own, texts.weights[: len(own)])
            weights = np.minimum(weights, least)
        weights[[not _tells(name) for name in names]] = 0
        return cls(split, np.where(np.isfinite(weights), weights, 0))

    def matrix(self, texts: NearTexts, side: int) -> sparse.csr_matrix:
        """(N, S) weights of the stems that stand in no template, in rows of unit length."""
        kept = ~texts.common
        owners, stems = texts.words.owners[kept], self.codes[side][texts.words.codes[kept]]
        shape = (len(texts.words), len(self.weights))
        found = sparse.csr_matrix((np.ones(len(stems)), (owners, stems)), shape=shape)
        found.data = self.weights[found.indices]
        found.eliminate_zeros()
        return _of_unit_length(found)


def _of_unit_length(rows: sparse.csr_matrix) -> sparse.csr_matrix:
    norms = np.sqrt(np.asarray(rows.multiply(rows).sum(axis=1)).ravel())
    return (sparse.diags(1 / np.where(norms > 0, norms, 1)) @ rows).tocsr()


def _tells(stem: str) -> bool:
    """Whether a word may point at a prompt: not a figure, which sums share by chance."""
    short = len(stem) < _LEAST_LETTERS and stem.isascii()
    return not (short or stem in FUNCTION_WORDS or any(sign.isdigit() for sign in stem))
