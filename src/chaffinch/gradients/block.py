"""The per-sample gradients of N samples for some parameters, kept factored."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Literal, final

import numpy as np
import torch
from torch import Tensor

from chaffinch.core.errors import InputError
from chaffinch.gradients import combine, element
from chaffinch.gradients.factored import Factored
from chaffinch.gradients.piece import Dense, Piece
from chaffinch.gradients.positions import Positions
from chaffinch.gradients.rows import Array, Index, as_tensor, computing_dtype
from chaffinch.gradients.sketch import SKETCHES, Projection, add_sketch


@final
class GradientBlock:
    """An N x P matrix of per-sample gradients that is never formed.

    Rows are samples, columns are parameters in the order of ``model.named_parameters()``, each
    flattened row-major, so that a row equals the concatenated gradients of `torch.func.grad`.
    Results are tensors in the element type of the factors (float32 for half precision).

    Args:
        pieces: The gradients of each parameter by its name, all of the same samples.

    Raises:
        InputError: Pieces of different numbers of samples, or no piece.
    """

    def __init__(self, pieces: Mapping[str, Piece]) -> None:
        if not pieces:
            raise InputError("at least one parameter", "none", "Choose layers that have parameters")
        counts = {len(piece) for piece in pieces.values()}
        if len(counts) > 1:
            raise InputError(
                "gradients of the same samples for every parameter",
                f"pieces of {sorted(counts)} samples",
                "Capture all layers together",
            )
        self.pieces = MappingProxyType(dict(pieces))
        self._count = counts.pop()

    @classmethod
    def from_last_layer(
        cls, errors: Array, features: Array, bias: bool = True, name: str = ""
    ) -> "GradientBlock":
        """Gradients of a last linear layer from saved evidence, without a copy of either array.

        Args:
            errors: (N, C) derivative of each loss by the logits; ``p - e_y`` for cross-entropy.
            features: (N, I) inputs of the layer, without an appended 1; their element type counts.
            bias: Whether the layer has a bias, so that its gradient counts.
            name: Name of the layer; the parameters are called ``name.weight`` and ``name.bias``.

        Raises:
            InputError: Arrays that are not two matrices of N rows.
        """
        d, h = as_tensor(errors), as_tensor(features)
        if d.ndim != 2 or h.ndim != 2 or len(d) != len(h):
            raise InputError(
                "errors (N, C) and features (N, I)",
                f"shapes {tuple(d.shape)} and {tuple(h.shape)}",
                "Pass one row a sample in both",
            )
        d = d.to(computing_dtype(h.dtype))  # the small one of the two
        source = Positions(d[:, None, None], h[:, None, None])
        prefix = f"{name}." if name else ""
        weight = Factored([source], (d.shape[1], h.shape[1]))
        pieces: dict[str, Piece] = {f"{prefix}weight": weight}
        if bias:
            pieces[f"{prefix}bias"] = Dense(d, (d.shape[1],))
        return cls(pieces)

    @classmethod
    def from_dense(
        cls, values: Array, shapes: Mapping[str, Sequence[int]] | None = None
    ) -> "GradientBlock":
        """A block around a materialised matrix (N, P).

        Args:
            values: (N, P) gradients.
            shapes: Shapes of the parameters in flat order; None for one parameter of P numbers.
        """
        matrix, pieces, start = as_tensor(values), dict[str, Piece](), 0
        for name, shape in (shapes or {"parameters": (matrix.shape[1],)}).items():
            stop = start + int(np.prod(shape, dtype=int))
            pieces[name] = Dense(matrix[:, start:stop], shape)
            start = stop
        if start != matrix.shape[1]:
            raise InputError(
                f"shapes of {matrix.shape[1]} numbers together", str(start), "Check the shapes"
            )
        return cls(pieces)

    @classmethod
    def concatenate(cls, blocks: Sequence["GradientBlock"]) -> "GradientBlock":
        """The samples of several blocks of the same parameters, one after the other."""
        if len(blocks) == 1:
            return blocks[0]
        for block in blocks[1:]:
            blocks[0]._check_same(block)
        return cls(
            {name: combine.join([block.pieces[name] for block in blocks]) for name in blocks[0]}
        )

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        return iter(self.pieces)

    def __repr__(self) -> str:
        size = f"{len(self):,} samples x {self.num_parameters:,} parameters"
        stored = f"{len(self.pieces)} tensors, {self.floats_per_sample:,} numbers a sample"
        return f"GradientBlock({size} of {stored})"

    @property
    def shape(self) -> tuple[int, int]:
        """(N, P)."""
        return len(self), self.num_parameters

    @property
    def dtype(self) -> torch.dtype:
        """The element type of results."""
        return next(iter(self.pieces.values())).dtype

    @property
    def device(self) -> torch.device:
        """Where the factors are."""
        return next(iter(self.pieces.values())).like.device

    @property
    def num_parameters(self) -> int:
        """P."""
        return sum(piece.size for piece in self.pieces.values())

    @property
    def floats_per_sample(self) -> int:
        """How many numbers are stored for one sample (P if all were materialised)."""
        return sum(piece.floats_per_sample for piece in self.pieces.values())

    @property
    def parameter_slices(self) -> dict[str, slice]:
        """Where each parameter lies among the P columns."""
        slices, start = {}, 0
        for name, piece in self.pieces.items():
            slices[name] = slice(start, start + piece.size)
            start += piece.size
        return slices

    @property
    def layers(self) -> dict[str, tuple[str, ...]]:
        """Names of the parameters of each layer (the name without its last part)."""
        groups: dict[str, tuple[str, ...]] = {}
        for name in self.pieces:
            layer = name.rpartition(".")[0]
            groups[layer] = (*groups.get(layer, ()), name)
        return groups

    def select(self, names: Iterable[str]) -> "GradientBlock":
        """The same samples, some parameters only, in their flat order."""
        wanted = set(names)
        unknown = wanted - set(self.pieces)
        if unknown:
            raise InputError(
                f"names among {', '.join(self.pieces)}", ", ".join(sorted(unknown)), "Check them"
            )
        return GradientBlock({n: piece for n, piece in self.pieces.items() if n in wanted})

    def take(self, index: Index) -> "GradientBlock":
        """The samples at ``index``, in that order; views for a slice, copies otherwise."""
        return GradientBlock({name: piece.take(index) for name, piece in self.pieces.items()})

    def to(self, dtype: torch.dtype) -> "GradientBlock":
        """The same gradients, stored in another element type."""
        return GradientBlock({name: piece.to(dtype) for name, piece in self.pieces.items()})

    def norm(self, order: Literal[1, 2] = 2) -> Tensor:
        """(N,) L1 or L2 norms of the gradients.

        Raises:
            InputError: Another order.
        """
        if order == 2:
            return self.self_dot().sqrt_()
        if order != 1:
            raise InputError("a norm of order 1 or 2", repr(order), "Choose one of them")
        return self._add(piece.abs_sum() for piece in self.pieces.values())

    def self_dot(self) -> Tensor:
        """(N,) squared L2 norms: the inner product of every gradient with itself."""
        return self._add(piece.self_dot() for piece in self.pieces.values())

    def dot(self, other: "GradientBlock") -> Tensor:
        """(N, M) inner products with the gradients of M samples for the same parameters.

        The result is the only N x M array; take slices of the block where it would be too large.
        """
        self._check_same(other)
        total = self._zeros(len(self), len(other))
        for name, piece in self.pieces.items():
            piece.add_dot(other.pieces[name], total)
        return total

    def weighted_sum(self, weights: Array | None = None) -> Tensor:
        """Sums of gradients.

        Args:
            weights: (N,) or (W, N); None for the plain sum.

        Returns:
            (P,) for weights (N,) or None, (W, P) for weights (W, N).
        """
        given = torch.ones(len(self)) if weights is None else as_tensor(weights)
        rows = self._operand(given[None] if given.ndim == 1 else given)
        self._check_length(rows.shape[-1], len(self), "weights", "samples")
        result = torch.cat([p.weighted_sum(rows) for p in self.pieces.values()], dim=1)
        return result[0] if given.ndim == 1 else result

    def matvec(self, matrix: Array) -> Tensor:
        """(N,) or (N, K) product with a vector (P,) or a matrix (P, K)."""
        given = as_tensor(matrix)
        self._check_length(given.shape[0], self.num_parameters, "rows", "parameters")
        columns = self._operand(given[:, None] if given.ndim == 1 else given).contiguous()
        total = columns.new_zeros(len(self), columns.shape[1])
        for name, where in self.parameter_slices.items():
            self.pieces[name].add_matvec(columns[where], total)
        return total[:, 0] if given.ndim == 1 else total

    def __matmul__(self, matrix: Array) -> Tensor:
        return self.matvec(matrix)

    def column(self, j: int) -> Tensor:
        """(N,) derivatives by parameter ``j``: one column of the matrix, no other formed."""
        return element.column(self.pieces, j)

    def columns(self, samples: Array, columns: Array) -> Tensor:
        """Single values, as ``dense()[samples, columns]`` gives them, without forming the rest.

        The two index arrays are broadcast: ``columns(rows, j)`` is what one node of an isolation
        tree needs, ``columns(rows[:, None], js)`` a sub-matrix.

        Args:
            samples: Positions of samples, any shape, not negative.
            columns: Parameters, a shape that can be broadcast with ``samples``.
        """
        pair = [as_tensor(one).to(self.device).long() for one in (samples, columns)]
        return element.values(self.pieces, *pair)

    def sketch(self, k: int, kind: str = "gaussian", seed: int = 0) -> Tensor:
        """(N, K) random projections that keep inner products on average.

        Args:
            k: K, the number of dimensions.
            kind: A name in `SKETCHES`: gaussian, rademacher, sparse, sjlt, kronecker.
            seed: The same seed, kind and k give the same projection for any samples.

        Raises:
            InputError: An unknown kind, or fewer than one dimension.
        """
        SKETCHES[kind]
        if k < 1:
            raise InputError("at least one sketched dimension", str(k), "Pass k >= 1")
        plans = [Projection(kind, k, seed, i, self.num_parameters) for i in range(len(self.pieces))]
        total = self._zeros(len(self), k)
        for piece, plan in zip(self.pieces.values(), plans, strict=True):
            add_sketch(piece, plan, total)
        return total

    def dense(self) -> Tensor:
        """(N, P) the matrix itself; it may be large."""
        return torch.cat([piece.dense() for piece in self.pieces.values()], dim=1)

    def _zeros(self, *shape: int) -> Tensor:
        return torch.zeros(shape or (0,), dtype=self.dtype, device=self.device)

    def _operand(self, tensor: Tensor) -> Tensor:
        return tensor.to(device=self.device, dtype=self.dtype)

    def _add(self, terms: Iterable[Tensor]) -> Tensor:
        return sum(terms, start=self._zeros(len(self)))

    def _check_same(self, other: "GradientBlock") -> None:
        ours, theirs = ({n: p.shape for n, p in b.pieces.items()} for b in (self, other))
        if ours != theirs:
            raise InputError(
                f"gradients for the parameters {', '.join(ours)}",
                ", ".join(theirs),
                "Capture both with the same model and layers",
            )

    def _check_length(self, got: int, expected: int, what: str, of: str) -> None:
        if got != expected:
            raise InputError(f"{expected} {what}, as many as {of}", str(got), "Check the shape")
