"""Helpers and opponents: which other samples pull the model towards the given label, or away."""

import numpy as np
from numpy.typing import NDArray

from chaffinch.core.evidence import Evidence
from chaffinch.core.large import EXACT_UP_TO
from chaffinch.core.randomness import stream
from chaffinch.core.scorer import once_per_evidence
from chaffinch.core.types import Floats
from chaffinch.diagnosis.informative import lasting_errors, layer_inputs

_BLOCK_BYTES = 32 * 2**20


@once_per_evidence
def _errors(evidence: Evidence) -> Floats:
    """(N, C) errors, each row of length one."""
    return _unit(lasting_errors(evidence))


def _inputs(evidence: Evidence, rows: NDArray[np.int64]) -> Floats:
    """(n, I) inputs of the last layer in some rows, each of length one."""
    return _unit(layer_inputs(evidence.need("features")[rows], evidence.bias))


def _unit(rows: Floats) -> Floats:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: Floats = (rows / np.maximum(lengths, 1e-12)).astype(np.float32)
    return scaled


def can_tell_influence(evidence: Evidence) -> bool:
    """Whether there are factors of gradients."""
    return evidence.has("logits") and evidence.has("features")


def strongest(
    evidence: Evidence, rows: NDArray[np.int64], count: int
) -> tuple[NDArray[np.int64], Floats]:
    """The samples whose gradients are most like, and most unlike, those of some samples.

    Cosines of last-layer gradients (Charpiat et al., *Input Similarity from the Neural Network
    Perspective*, NeurIPS 2019), with errors averaged over the epochs, from the factors: the
    gradient of sample i is ``d_i h_i^T``, so a cosine of two is the product of two cosines. In sets
    of more than 20,000 samples they are looked for among so many random ones.

    Args:
        evidence: With logits and features.
        rows: (n,) positions of the samples to explain.
        count: How many of each; at most (N - 1) / 2 are there without one coming twice.

    Returns:
        (n, 2 count) positions, first the most similar in falling order, then the most opposed,
        the strongest first; and (n, 2 count) cosines. The sample itself is left out.
    """
    errors = _errors(evidence)
    others = np.arange(len(errors))
    if len(errors) > EXACT_UP_TO:
        chosen = stream(0, "helpers and opponents").choice(others, EXACT_UP_TO, replace=False)
        others = np.sort(chosen)
    count = min(count, (len(others) - 1) // 2)
    other_errors, other_inputs = errors[others], _inputs(evidence, others)
    places = np.empty((len(rows), 2 * count), dtype=np.int64)
    cosines = np.empty((len(rows), 2 * count), dtype=np.float32)
    step = max(1, _BLOCK_BYTES // (4 * len(others)))
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        product = (errors[some] @ other_errors.T) * (_inputs(evidence, some) @ other_inputs.T)
        own = others == some[:, None]
        product[own] = -np.inf
        helpers = largest(product, count)
        product[own] = np.inf
        opponents = largest(np.negative(product, out=product), count)
        np.negative(product, out=product)
        found = np.concatenate([helpers, opponents], axis=1)
        places[start : start + step] = others[found]
        cosines[start : start + step] = np.take_along_axis(product, found, axis=1)
    return places, cosines


def largest(values: Floats, count: int) -> NDArray[np.int64]:
    """(n, count) columns of the largest of each row in falling order, the first of equal ones.

    Without sorting whole rows: of (n, M) values only those that may be among the largest.
    """
    found = np.empty((len(values), count), dtype=np.int64)
    if not count:
        return found
    for row, line in enumerate(values):
        some = np.flatnonzero(line >= np.partition(line, -count)[-count])
        found[row] = some[np.argsort(-line[some], kind="stable")[:count]]
    return found
