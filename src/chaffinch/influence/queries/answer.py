"""Influence of training samples on queries, and the search for the most influential ones."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from chaffinch.core.errors import InputError, MissingExtraError
from chaffinch.gradients.rows import row_blocks
from chaffinch.influence.queries.precondition import Prepared
from chaffinch.influence.queries.table import GradientTable

_TILE_FLOATS = 1 << 22


@dataclass(frozen=True, eq=False)
class Found:
    """The training samples with the largest values.

    Attributes:
        rows: (M, k) positions of training samples, the most helpful first.
        values: (M, k) their influence.
    """

    rows: NDArray[np.int64]
    values: NDArray[np.float32]


def influence_of(table: GradientTable, prepared: Prepared) -> Tensor:
    """(N, M) influence of the training samples on the queries; positive = helps.

    Args:
        table: Kept gradients of N training samples.
        prepared: M queries.
    """
    first = next(iter(prepared.vectors.values()))
    total = torch.zeros(len(table), len(first))
    for name, vectors in prepared.vectors.items():
        for where, rows in table.blocks(name):
            total[where] += prepared.centred(name, rows) @ vectors.T
    return total if prepared.scales is None else total * prepared.scales[:, None]


def nearest(
    table: GradientTable,
    prepared: Prepared,
    count: int = 10,
    backend: Literal["exact", "faiss"] = "exact",
) -> Found:
    """The ``count`` training samples with the largest influence on each query.

    Both ways look at every sample; no N x M matrix is made.

    Args:
        table: Kept gradients of N training samples.
        prepared: M queries.
        count: How many; at most N are given.
        backend: "exact" reads the table a block of rows at a time; "faiss" copies it into a flat
            index of inner products first, which pays where queries come one by one.

    Raises:
        InputError: Another backend, or none wanted.
        MissingExtraError: faiss is not installed.
    """
    if count < 1 or backend not in ("exact", "faiss"):
        raise InputError(
            "a count of at least 1, and the backend exact or faiss",
            f"{count}, {backend!r}",
            "Choose others",
        )
    if backend == "faiss":
        return _by_faiss(table, prepared, count)
    names = list(prepared.vectors)
    joined = torch.cat([prepared.vectors[name] for name in names], 1)
    best, rows = torch.zeros(len(joined), 0), torch.zeros(len(joined), 0, dtype=torch.long)
    for where in row_blocks(len(table), joined.shape[1], _TILE_FLOATS):
        values = joined @ _joined(table, prepared, where).T
        best = torch.cat([best, values], 1)
        at = torch.arange(where.start, where.stop).expand(len(joined), -1)
        rows = torch.cat([rows, at], 1)
        best, chosen = best.topk(min(count, best.shape[1]), dim=1)
        rows = rows.gather(1, chosen)
    return Found(rows.numpy(), best.numpy())


def _by_faiss(table: GradientTable, prepared: Prepared, count: int) -> Found:
    try:
        import faiss
    except ImportError as error:
        raise MissingExtraError("a search by faiss", "fast", "faiss") from error
    joined = torch.cat(list(prepared.vectors.values()), 1)
    index: Any = faiss.IndexFlatIP(joined.shape[1])
    for where in row_blocks(len(table), joined.shape[1], _TILE_FLOATS):
        index.add(_joined(table, prepared, where).contiguous().numpy())
    values, rows = index.search(joined.contiguous().numpy(), min(count, len(table)))
    return Found(rows.astype(np.int64), values.astype(np.float32))


def _joined(table: GradientTable, prepared: Prepared, where: slice) -> Tensor:
    parts = [prepared.centred(name, table.rows(name, where)) for name in prepared.vectors]
    rows = torch.cat(parts, 1)
    return rows if prepared.scales is None else rows * prepared.scales[where, None]
