"""Texts that say the same, found without looking at all pairs."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from chaffinch.core.randomness import stream
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.diagnosis.texts.shared import boilerplate
from chaffinch.diagnosis.texts.words import Words

NEAR = 0.9
"""Share of the weight of their words from which two texts count as nearly the same."""

_BANDS, _ROWS = 12, 8
"""Of 96 samples of a text, 8 in a row must agree in one of 12 places (.999 of pairs at `NEAR`)."""

_COMPARED = 16
"""Of texts that fall together, each is compared with so many before it."""

_IN_ORDER = 0.8
_PAIRS = 1 << 17


class NearTexts:
    """N different texts, their words weighted by how rare they are.

    A word weighs ``log((N + 1) / n)`` where ``n`` of the texts have it. What many texts share (a
    template, a system prompt) counts neither for nor against two texts that both have it.

    Args:
        words: The texts; no two with the same key.
    """

    def __init__(self, words: Words) -> None:
        self.words = words
        self.common = boilerplate(words)
        """(T,) words in runs that many texts share."""
        full = self._matrix(np.ones_like(self.common))
        counts = np.bincount(full.indices, minlength=full.shape[1])
        self.weights: Floats = np.log((len(words) + 1) / np.maximum(counts, 1))
        """(V,) weights of the words."""
        self._full, self._own = full, self._matrix(~self.common)
        self._signatures = words.signatures()
        self._totals = full @ self.weights

    def contents(self) -> list[str]:
        """N texts as normalised words, without those that many texts share."""
        words, kept = self.words, ~self.common
        found = []
        for begin, end in pairwise(words.starts.tolist()):
            own = words.codes[begin:end][kept[begin:end]]
            found.append(" ".join(words.vocabulary[code] for code in own.tolist()))
        return found

    def pairs(self, near: float = NEAR) -> tuple[Codes, Codes, Floats]:
        """Pairs of texts that are nearly the same.

        Args:
            near: Least share of the weight: of the words that are not boilerplate and that both
                have, among these and all words that only one has.

        Returns:
            (K,) the earlier text of each pair, (K,) the later one, (K,) their shares below 1.
            Texts whose numbers, signs, negations or names differ are not the same, nor are those
            with their words in another order.
        """
        left, right = self._candidates()
        shares = self.shares(left, right)
        kept = (shares >= near) & (self._signatures[left] == self._signatures[right])
        left, right, shares = left[kept], right[kept], shares[kept]
        same = [self._says_the_same(i, j) for i, j in zip(left, right, strict=True)]
        chosen = np.asarray(same, dtype=np.bool_)
        return left[chosen], right[chosen], shares[chosen]

    def shares(self, left: Codes, right: Codes) -> Floats:
        """(K,) shares of the weight that pairs of texts have in common."""
        found = np.zeros(len(left))
        for start in range(0, len(left), _PAIRS):
            i, j = left[start : start + _PAIRS], right[start : start + _PAIRS]
            own = self._own[i].multiply(self._own[j]) @ self.weights
            both = self._full[i].multiply(self._full[j]) @ self.weights
            apart = self._totals[i] + self._totals[j] - 2 * both
            found[start : start + _PAIRS] = own / np.maximum(own + apart, 1e-12)
        return np.minimum(found, 1 - 1e-9)

    def _matrix(self, kept: Mask) -> sparse.csr_matrix:
        """(N, V) of 0 and 1: which text has which word."""
        owners, codes = self.words.owners[kept], self.words.codes[kept]
        shape = (len(self.words), max(1, len(self.words.vocabulary)))
        found = sparse.csr_matrix((np.ones(len(codes)), (owners, codes)), shape=shape)
        found.data[:] = 1
        return found

    def _candidates(self) -> tuple[Codes, Codes]:
        """Pairs of texts that fall together, by weighted min-wise hashing (Chum et al. 2008).

        The least of exponential numbers whose rates are the weights is the same for two texts with
        a probability that is the share of their common weight.
        """
        used = np.flatnonzero(np.diff(self._own.indptr))
        if len(used) < 2:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        random = stream(0, "near texts")
        begins = self._own.indptr[used]
        found: list[NDArray[np.int64]] = []
        for _ in range(_BANDS):
            band = self._signatures[used].astype(np.uint64)
            for _ in range(_ROWS):
                drawn = random.exponential(size=len(self.weights)) / np.maximum(self.weights, 1e-12)
                least = np.minimum.reduceat(drawn[self._own.indices], begins)
                band = (band ^ least.view(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
                band ^= band >> np.uint64(31)
            found.append(_fallen_together(band, used, len(self.words)))
        pairs = np.unique(np.concatenate(found))
        return pairs // len(self.words), pairs % len(self.words)

    def _says_the_same(self, i: int, j: int) -> bool:
        """Whether no name differs and the words outside of templates stand in the same order."""
        rows = []
        for text in (i, j):
            span = slice(*self.words.starts[text : text + 2])
            rows.append((self.words.codes[span], self.words.names[span], ~self.common[span]))
        held = [set(codes.tolist()) for codes, _, _ in rows]
        for (codes, names, _), other in zip(rows, reversed(held), strict=True):
            if any(name not in other for name in codes[names].tolist()):
                return False
        both = held[0] & held[1]
        follows = [
            set(pairwise([word for word in codes[own].tolist() if word in both]))
            for codes, _, own in rows
        ]
        most = max(map(len, follows))
        return not most or len(follows[0] & follows[1]) >= _IN_ORDER * most


def _fallen_together(band: NDArray[np.uint64], texts: Codes, count: int) -> Codes:
    """Pairs of texts with the same hash, as ``earlier * count + later``."""
    order = np.argsort(band, kind="stable")
    ranked, owner = band[order], texts[order]
    found = []
    for step in range(1, _COMPARED + 1):
        same = np.flatnonzero(ranked[step:] == ranked[:-step])
        if not len(same):
            break
        found.append(owner[same] * count + owner[same + step])
    return np.concatenate(found) if found else np.zeros(0, np.int64)
