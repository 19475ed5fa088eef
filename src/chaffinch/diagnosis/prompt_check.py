"""What is wrong with prompts and responses on their face: empty, repeated, contradicted, leaked."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.feature_extraction.text import HashingVectorizer

from chaffinch.core.types import Floats, Mask
from chaffinch.data.prompt import Prompts

NEAR = 0.9
"""Cosine of character n-grams from which two texts count as the same up to details."""

_ROWS = 512
_NEIGHBOURS = 5


def check_prompts(train: Prompts, test: Prompts | None = None, near: float = NEAR) -> pd.DataFrame:
    """Look at the texts alone; no model is run.

    Args:
        train: N training prompts and responses.
        test: M prompts that training must not have seen, or None.
        near: Cosine of character n-grams from which two texts count as the same.

    Returns:
        A table of N rows: ``id``; ``empty_response``; ``duplicate_of``, the id of an earlier
        sample with nearly the same prompt and response; ``contradicts``, the id of a sample with
        nearly the same prompt and another response; ``mismatch`` in 0..1, higher = the responses
        to the most similar prompts have less in common with this one (0 where no prompt is
        similar); ``test_prompt``, the id of a test prompt that is nearly the same. Ids are "" for
        none.
    """
    prompts, responses = _vectors(train.prompts), _vectors(train.responses)
    same_prompt = _pairs(prompts, prompts, near)
    duplicate, contradiction = _none(len(train)), _none(len(train))
    for i, j in same_prompt:
        if i == j:
            continue
        alike = _cosine(responses, i, j) >= near or train.responses[i] == train.responses[j]
        if alike and j < i:
            duplicate[i] = duplicate[i] or str(train.ids[j])
        elif not alike:
            contradiction[i] = contradiction[i] or str(train.ids[j])
    leaked = _none(len(train))
    if test is not None:
        for i, j in _pairs(prompts, _vectors(test.prompts), near):
            leaked[i] = leaked[i] or str(test.ids[j])
    return pd.DataFrame(
        {
            "id": train.ids,
            "empty_response": _blank(train.responses),
            "duplicate_of": duplicate,
            "contradicts": contradiction,
            "mismatch": _mismatch(prompts, responses),
            "test_prompt": leaked,
        }
    )


def _vectors(texts: Sequence[str]) -> sparse.csr_matrix:
    """(N, K) counts of character n-grams in rows of unit length; a blank text is all zero."""
    hashed = HashingVectorizer(
        analyzer="char_wb", ngram_range=(3, 5), n_features=2**18, alternate_sign=False
    )
    return hashed.transform([" ".join(text.lower().split()) for text in texts]).tocsr()


def _pairs(left: sparse.csr_matrix, right: sparse.csr_matrix, near: float) -> list[tuple[int, int]]:
    """Positions of rows whose cosine is at least ``near``, a block of rows at a time."""
    found: list[tuple[int, int]] = []
    for start in range(0, left.shape[0], _ROWS):
        cosines = (left[start : start + _ROWS] @ right.T).tocoo()
        kept = cosines.data >= near
        rows, columns = cosines.row[kept] + start, cosines.col[kept]
        found += sorted(zip(rows.tolist(), columns.tolist(), strict=True))
    return found


def _cosine(rows: sparse.csr_matrix, i: int, j: int) -> float:
    return float((rows[i] @ rows[j].T).sum())


def _mismatch(prompts: sparse.csr_matrix, responses: sparse.csr_matrix) -> Floats:
    """(N,) one minus the mean likeness of responses to the nearest prompts, by their nearness."""
    count = prompts.shape[0]
    scores = np.zeros(count)
    for start in range(0, count, _ROWS):
        rows = slice(start, min(start + _ROWS, count))
        near = (prompts[rows] @ prompts.T).toarray()
        near[np.arange(len(near)), np.arange(rows.start, rows.stop)] = 0
        width = min(_NEIGHBOURS, count - 1)
        chosen = np.argpartition(-near, width - 1, axis=1)[:, :width] if width > 0 else None
        if chosen is None:
            continue
        weights = np.take_along_axis(near, chosen, 1)
        alike = np.take_along_axis((responses[rows] @ responses.T).toarray(), chosen, 1)
        total = weights.sum(1)
        mean = (weights * (1 - alike)).sum(1) / np.where(total > 0, total, 1)
        scores[rows] = np.clip(mean, 0, 1) * weights.max(1)
    return scores


def _blank(texts: Sequence[str]) -> Mask:
    blank: Mask = np.asarray([not text.strip() for text in texts], dtype=np.bool_)
    return blank


def _none(count: int) -> list[str]:
    return [""] * count
