"""Isolation forest (Liu et al., ICDM 2008) on last-layer gradients that stay factored.

A node of a tree asks for one column of the N x P gradient matrix, and column (c, i) is the product
of an output error and a layer input. So only the columns that are asked for are ever formed.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from chaffinch.core.evidence import Evidence
from chaffinch.core.randomness import stream
from chaffinch.core.scorer import scorer
from chaffinch.core.types import Floats
from chaffinch.gradients.rows import as_tensor
from chaffinch.scorers.outliers.last_layer import output_errors

NUM_TREES = 100
SAMPLE_SIZE = 256
_TRIES = 64  # columns drawn at a node before it counts as constant


@dataclass(frozen=True, eq=False)
class VirtualColumns:
    """The columns of N per-sample gradients ``errors[n] (outer) inputs[n]``.

    Attributes:
        errors: (C, N) output errors, one contiguous row an output.
        inputs: (I, N) layer inputs, one contiguous row an input; a bias is a row of ones.
    """

    errors: Floats
    inputs: Floats

    @property
    def count(self) -> int:
        """P = C x I."""
        return len(self.errors) * len(self.inputs)

    def values(self, column: int, rows: NDArray[np.intp]) -> Floats:
        """The entries of one column at some rows."""
        output, source = divmod(column, len(self.inputs))
        left = np.take(self.errors[output], rows, mode="clip")  # unlike "raise", no extra pass
        values: Floats = left * np.take(self.inputs[source], rows, mode="clip")
        return values

    @classmethod
    def of(cls, errors: Floats, features: Floats, bias: bool) -> "VirtualColumns":
        """Turn factors with a row a sample into columns.

        Args:
            errors: (N, C) output errors.
            features: (N, I) layer inputs.
            bias: Whether the layer has a bias, whose input is one.
        """
        num_samples, num_inputs = features.shape
        inputs = np.ones((num_inputs + int(bias), num_samples), dtype=np.float32)
        # torch transposes in cache-sized tiles, three times as fast as NumPy.
        torch.from_numpy(inputs)[:num_inputs].copy_(as_tensor(features).T)
        return cls(np.ascontiguousarray(errors.T), inputs)


def mean_path_length(size: Floats | int) -> Floats:
    """Mean depth of an unsuccessful search in a binary tree of ``size`` samples (Liu et al.)."""
    sizes = np.asarray(size, dtype=np.float64)
    inner = np.maximum(sizes - 1, 1)
    lengths = 2 * (np.log(inner) + np.euler_gamma) - 2 * (sizes - 1) / np.maximum(sizes, 1)
    return np.where(sizes > 2, lengths, np.where(sizes == 2, 1.0, 0.0))


def isolation_scores(
    columns: VirtualColumns, seed: int, num_trees: int = NUM_TREES, sample_size: int = SAMPLE_SIZE
) -> Floats:
    """Anomaly score of N samples, in 0..1; higher = isolated by fewer splits.

    Args:
        columns: The gradient matrix, by columns.
        seed: Decides samples, columns and thresholds.
        num_trees: Trees in the forest.
        sample_size: Samples a tree is grown on.

    Returns:
        (N,) ``2 ** (-mean depth / expected depth)``.
    """
    random = stream(seed, "isolation forest")
    num_samples = columns.errors.shape[1]
    size = min(sample_size, num_samples)
    depths = np.zeros(num_samples)
    for _ in range(num_trees):
        grown_on = random.choice(num_samples, size, replace=False)
        _descend(columns, random, grown_on, depths)
    expected = float(mean_path_length(size)) or 1.0
    return np.exp2(-depths / num_trees / expected)


def _descend(
    columns: VirtualColumns, random: np.random.Generator, grown_on: NDArray[np.intp], depths: Floats
) -> None:
    """Grow one tree and add the depth that each sample reaches to ``depths``."""
    limit = int(np.ceil(np.log2(max(len(grown_on), 2))))
    everyone = np.arange(columns.errors.shape[1])
    stack = [(grown_on, everyone, 0)]
    while stack:
        inside, passing, depth = stack.pop()
        split = None
        if depth < limit and len(inside) > 1:
            split = _draw_split(columns, random, inside)
        if split is None:
            depths[passing] += depth + float(mean_path_length(len(inside)))
            continue
        column, threshold = split
        below = columns.values(column, inside) <= threshold
        passing_below = columns.values(column, passing) <= threshold
        stack.append((inside[below], passing[passing_below], depth + 1))
        stack.append((inside[~below], passing[~passing_below], depth + 1))


def _draw_split(
    columns: VirtualColumns, random: np.random.Generator, inside: NDArray[np.intp]
) -> tuple[int, float] | None:
    """A random column that is not constant and a threshold that leaves samples on both sides."""
    for _ in range(_TRIES):
        column = int(random.integers(columns.count))
        values = columns.values(column, inside)
        low, high = float(values.min()), float(values.max())
        if low < high:
            threshold = random.uniform(low, high)
            # Rounding may put the threshold on the maximum, which would leave one side empty.
            return column, threshold if threshold < high else low
    return None


def gradient_columns(evidence: Evidence) -> VirtualColumns:
    """The last-layer gradients of the last epoch, by columns."""
    errors = output_errors(evidence.need("logits")[-1], evidence.labels.codes)
    features = np.asarray(evidence.need("features"), dtype=np.float32)
    return VirtualColumns.of(errors, features, evidence.bias)


@scorer(
    "gradient_forest",
    family="outliers",
    needs=("logits", "features"),
    paper="Chhabra et al., Outlier Gradient Analysis, ICML 2025; Liu et al., ICDM 2008",
)
def gradient_forest(evidence: Evidence, seed: int) -> Floats:
    """Isolation forest (100 trees, 256 samples each) on last-layer gradients of the last epoch."""
    return isolation_scores(gradient_columns(evidence), seed)
