"""Model inputs: N encoded samples that give batches as tensors."""

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import scipy.sparse as sp
import torch
from sklearn.decomposition import PCA, TruncatedSVD
from torch import Tensor
from torch.nn import functional as F

from chaffinch.core.errors import InputError
from chaffinch.core.types import Floats

EMBEDDING_WIDTH = 128
_MAX_PIXELS = 3 * 32 * 32
_POOLED_SIDE = 16


class Inputs(Protocol):
    """N encoded samples."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        ...

    def __len__(self) -> int: ...

    def batch(self, index: Tensor) -> Tensor:
        """The samples at the positions ``index`` (B,) as floats of shape (B, *shape)."""
        ...

    def embedding(self) -> Floats:
        """(N, K) model-free description for neighbours, at most 128 columns wide."""
        ...

    def embedding_of(self, other: "Inputs") -> Floats:
        """(M, K) description of M other samples in the space of `embedding`."""
        ...


@dataclass(frozen=True, eq=False)
class DenseInputs:
    """Samples in one tensor.

    Attributes:
        tensor: (N, ...) of any type.
        scale: Whether batches of uint8 come as floats in 0..1.
    """

    tensor: Tensor
    scale: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return tuple(self.tensor.shape[1:])

    def __len__(self) -> int:
        return len(self.tensor)

    def batch(self, index: Tensor) -> Tensor:
        """(B, *shape); images in channels-last memory, which convolutions prefer."""
        rows = self.tensor[index]
        if self.scale:
            rows = rows.float() / 255
        return rows.contiguous(memory_format=torch.channels_last) if rows.ndim == 4 else rows

    def embedding(self) -> Floats:
        """(N, K) the flattened samples, cut to their first 128 principal components."""
        return self._components[0]

    def embedding_of(self, other: Inputs) -> Floats:
        """(M, K) the same components, those of these N samples, of M other samples.

        Raises:
            InputError: The others have another shape.
        """
        _check_shape(self, other)
        if isinstance(other, DenseInputs):
            rows = other.tensor
        else:
            rows = other.batch(torch.arange(len(other)))
        flat = _flatten(rows)
        fitted = self._components[1]
        return flat if fitted is None else _float32(fitted.transform(flat))

    @cached_property
    def _components(self) -> tuple[Floats, PCA | None]:
        """The embedding, and what made it of the flattened samples."""
        flat = _flatten(self.tensor)
        if flat.shape[1] <= EMBEDDING_WIDTH:
            return flat, None
        width = min(EMBEDDING_WIDTH, len(flat))
        fitted = PCA(width, svd_solver="randomized", random_state=0)
        return _float32(fitted.fit_transform(flat)), fitted


def _flatten(rows: Tensor) -> Floats:
    """(N, I) float32; large images are pooled before."""
    if rows.ndim == 4 and rows[0].numel() > _MAX_PIXELS:
        rows = F.adaptive_avg_pool2d(rows.float(), _POOLED_SIDE)
    flat: Floats = rows.flatten(1).float().numpy()
    return flat


def _float32(rows: Floats) -> Floats:
    return np.asarray(rows, dtype=np.float32)


def _check_shape(fitted: Inputs, other: Inputs) -> None:
    if fitted.shape != other.shape:
        raise InputError(
            f"samples of shape {fitted.shape}", f"{other.shape}", "Encode both by the same encoder"
        )


@dataclass(frozen=True, eq=False)
class SparseInputs:
    """Samples as rows of a sparse matrix.

    Attributes:
        matrix: (N, I) float32 CSR.
        dense: Whether batches are dense; ``nn.Linear`` takes sparse CSR batches as well.
    """

    matrix: sp.csr_matrix
    dense: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return (int(self.matrix.shape[1]),)

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    def batch(self, index: Tensor) -> Tensor:
        """(B, I) float32, sparse CSR or dense."""
        rows = self.matrix[index.numpy()]
        if self.dense:
            return torch.from_numpy(rows.toarray())
        with warnings.catch_warnings():
            # One stands for all: PyTorch calls its sparse CSR layout a beta.
            warnings.filterwarnings("ignore", message="Sparse (CSR|invariant)")
            return torch.sparse_csr_tensor(
                torch.from_numpy(rows.indptr.astype(np.int64)),
                torch.from_numpy(rows.indices.astype(np.int64)),
                torch.from_numpy(rows.data),
                size=rows.shape,
                check_invariants=False,
            )

    def embedding(self) -> Floats:
        """(N, K) latent semantic analysis: the first 128 singular vectors of the matrix."""
        return self._components[0]

    def embedding_of(self, other: Inputs) -> Floats:
        """(M, K) M other samples by the singular vectors of this matrix.

        Raises:
            InputError: The others have another shape.
        """
        _check_shape(self, other)
        if isinstance(other, SparseInputs):
            rows = other.matrix
        else:
            rows = sp.csr_matrix(other.batch(torch.arange(len(other))).numpy())
        fitted = self._components[1]
        return _float32(rows.toarray() if fitted is None else fitted.transform(rows))

    @cached_property
    def _components(self) -> tuple[Floats, TruncatedSVD | None]:
        """The embedding, and what made it of the matrix."""
        width = min(EMBEDDING_WIDTH, min(self.matrix.shape) - 1)
        if width < 1:
            return _float32(self.matrix.toarray()), None
        fitted = TruncatedSVD(width, random_state=0)
        return _float32(fitted.fit_transform(self.matrix)), fitted
