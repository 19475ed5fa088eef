"""Canaries: a few of the user's own samples, spoilt in known ways, that train beside the real ones.

They show how wrong labels and anomalies look in these data and to this model. Only the model that
is trained on all samples sees them, and it is thrown away; fold models are held back from them, and
nothing of them is among the findings but figures. A canary is never an exact copy, which the sound
original would give away: it is crossed with another sample of its class.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from chaffinch.core.kinds import FAR_CLUSTER, MISLABELLED, OUTLIER
from chaffinch.core.labels import Labels
from chaffinch.core.randomness import stream
from chaffinch.core.types import Codes, Floats
from chaffinch.models.inputs import DenseInputs, Inputs, SparseInputs

SHARE = 0.02
"""Of the samples, for each kind of canary."""

SHARE_BESIDE_FOLDS = 0.01
"""The same where fold models say which labels are wrong: canaries only check that."""

MOST = 1000
LEAST_SAMPLES = 500
"""Below, so few canaries would say little, and weigh much."""

_PATCHES = 4
_SPANS = 16
_LEAST = 10


@dataclass(frozen=True, eq=False)
class Canaries:
    """K spoilt samples.

    Attributes:
        inputs: K encoded samples.
        codes: (K,) the labels they are trained with.
        kinds: (K,) what was done to each, as in `chaffinch.core.kinds`.
        sources: (K,) the sample each was made of.
    """

    inputs: Inputs
    codes: Codes
    kinds: NDArray[np.str_]
    sources: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.codes)


def make_canaries(
    inputs: Inputs, labels: Labels, seed: int, share: float = SHARE
) -> Canaries | None:
    """Spoil copies of some samples: wrong labels, outliers and one far cluster, as many of each.

    Args:
        inputs: N encoded samples, in one tensor or one sparse matrix.
        labels: Their labels.
        seed: Decides all that is random.
        share: How many of each kind there are, as a share of N; at least ten.

    Returns:
        The canaries, or None for fewer than 500 samples or inputs of another form.
    """
    count = min(MOST, max(_LEAST, round(share * len(labels))))
    if len(labels) < LEAST_SAMPLES or not isinstance(inputs, DenseInputs | SparseInputs):
        return None
    random = stream(seed, "canaries")
    present = np.flatnonzero(labels.counts)
    chosen = random.permutation(len(labels))[: 2 * count]
    flips, odd = chosen[:count], chosen[count:]
    crowd_class = int(random.choice(present[labels.counts[present] >= 2]))
    members = np.flatnonzero(labels.codes == crowd_class)
    crowd = random.choice(members, count, replace=len(members) < count)
    parts = [
        (_crossed(inputs, flips, labels.codes, random), _others(labels, flips, random)),
        (_spoilt(inputs, odd, random), labels.codes[odd]),
        (_moved(inputs, crowd, random), np.full(count, random.choice(present))),
    ]
    kinds = np.repeat(np.asarray([MISLABELLED, OUTLIER, FAR_CLUSTER]), count)
    codes = np.concatenate([code for _, code in parts]).astype(np.int64)
    made = _stacked([part for part, _ in parts], inputs)
    return Canaries(made, codes, kinds, np.concatenate([flips, odd, crowd]).astype(np.int64))


def joined(inputs: Inputs, canaries: Inputs) -> Inputs:
    """N samples and K canaries after them as the inputs of one training.

    Raises:
        TypeError: Inputs that `make_canaries` does not make canaries of.
    """
    if isinstance(inputs, SparseInputs) and isinstance(canaries, SparseInputs):
        rows = sp.vstack([inputs.matrix, canaries.matrix], format="csr")
        return SparseInputs(rows, inputs.dense)
    if isinstance(inputs, DenseInputs) and isinstance(canaries, DenseInputs):
        return _JoinedInputs(inputs, canaries)
    raise TypeError(type(inputs).__name__)


@dataclass(frozen=True, eq=False)
class _JoinedInputs:
    """Two tensors as one, without a copy of the first."""

    first: DenseInputs
    second: DenseInputs

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return self.first.shape

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def batch(self, index: Tensor) -> Tensor:
        """(B, *shape), as those of the two parts."""
        late = index >= len(self.first)
        rows = self.first.tensor[torch.where(late, 0, index)]
        if late.any():
            rows[late] = self.second.tensor[index[late] - len(self.first)]
        return DenseInputs(rows, self.first.scale).batch(torch.arange(len(rows)))

    def embedding(self) -> Floats:
        """(N + K, columns) in the space of the first."""
        return np.concatenate([self.first.embedding(), self.first.embedding_of(self.second)])

    def embedding_of(self, other: Inputs) -> Floats:
        """(M, columns) in the space of the first."""
        return self.first.embedding_of(other)


def _stacked(parts: list[Tensor | sp.csr_matrix], like: DenseInputs | SparseInputs) -> Inputs:
    if isinstance(like, SparseInputs):
        return SparseInputs(sp.vstack(parts, format="csr").astype(np.float32), like.dense)
    return DenseInputs(torch.cat([part.to(like.tensor.dtype) for part in parts]), like.scale)


def _others(labels: Labels, rows: NDArray[np.int64], random: np.random.Generator) -> Codes:
    """(n,) another class that occurs, for each row."""
    present = np.flatnonzero(labels.counts)
    place = np.searchsorted(present, labels.codes[rows])
    moved = (place + random.integers(1, len(present), len(rows))) % len(present)
    other: Codes = present[moved].astype(np.int64)
    return other


def _crossed(
    inputs: DenseInputs | SparseInputs,
    rows: NDArray[np.int64],
    codes: Codes,
    random: np.random.Generator,
) -> Tensor | sp.csr_matrix:
    """Sound samples that are copies of none.

    Half of the columns come from the nearest of some samples of the same class; images, texts
    and series are the mean of both.
    """
    partners = np.asarray([_partner(inputs, row, codes, random) for row in rows])
    if isinstance(inputs, SparseInputs):
        return (inputs.matrix[rows] + inputs.matrix[partners]) * np.float32(0.5)
    own, other = inputs.tensor[torch.from_numpy(rows)], inputs.tensor[torch.from_numpy(partners)]
    if own.ndim > 2:
        return (own.float() + other.float()) / 2
    take = torch.from_numpy(random.random(tuple(own.shape)) < 0.5)
    return torch.where(take, own, other)


_CANDIDATES = 200


def _partner(
    inputs: DenseInputs | SparseInputs, row: int, codes: Codes, random: np.random.Generator
) -> int:
    members = np.flatnonzero(codes == codes[row])
    members = members[members != row]
    if len(members) > _CANDIDATES:
        members = random.choice(members, _CANDIDATES, replace=False)
    if not len(members):
        return int(row)
    if isinstance(inputs, SparseInputs):
        near = (inputs.matrix[members] @ inputs.matrix[row].T).toarray()[:, 0]
        return int(members[near.argmax()])
    gaps = (inputs.tensor[torch.from_numpy(members)] - inputs.tensor[int(row)]).float()
    return int(members[int(gaps.flatten(1).square().sum(dim=1).argmin())])


def _spoilt(
    inputs: DenseInputs | SparseInputs, rows: NDArray[np.int64], random: np.random.Generator
) -> Tensor | sp.csr_matrix:
    """Samples that are none: columns of many rows, or images inverted or with patches mixed up."""
    size = len(inputs)
    if isinstance(inputs, SparseInputs):
        drawn = [inputs.matrix[random.integers(size, size=8)].mean(axis=0) for _ in rows]
        return sp.csr_matrix(np.asarray(np.concatenate(drawn), dtype=np.float32))
    own = inputs.tensor[torch.from_numpy(rows)].clone()
    if own.ndim == 4:
        half = len(own) // 2
        own[:half] = inputs.tensor.max() - own[:half]
        order = [random.permutation(_PATCHES**2) for _ in own[half:]]
        for place, one in enumerate(order):
            own[half + place] = _mixed_patches(own[half + place], one)
        return own
    if own.ndim == 3:
        return torch.stack([_mixed_spans(one, random.permutation(_SPANS)) for one in own])
    flat = own.flatten(1)
    source = torch.from_numpy(random.integers(size, size=tuple(flat.shape)))
    columns = torch.arange(flat.shape[1]).expand_as(flat)
    return inputs.tensor.flatten(1)[source, columns].view_as(own)


def _moved(
    inputs: DenseInputs | SparseInputs, rows: NDArray[np.int64], random: np.random.Generator
) -> Tensor | sp.csr_matrix:
    """A crowd from nowhere: samples of one class, their columns or patches in one other order."""
    if isinstance(inputs, SparseInputs):
        return inputs.matrix[rows][:, random.permutation(inputs.shape[0])]
    own = inputs.tensor[torch.from_numpy(rows)]
    if own.ndim == 4:
        order = random.permutation(_PATCHES**2)
        return torch.stack([_mixed_patches(one, order) for one in own])
    if own.ndim == 3:
        order = random.permutation(_SPANS)
        return torch.stack([_mixed_spans(one, order) for one in own])
    flat = own.flatten(1)
    return flat[:, torch.from_numpy(random.permutation(flat.shape[1]))].view_as(own)


def _mixed_spans(series: Tensor, order: NDArray[np.int64]) -> Tensor:
    """One (channels, steps) series with its 16 spans of time in another order, each backwards."""
    parts = torch.tensor_split(series, _SPANS, dim=1)
    return torch.cat([parts[place].flip(1) for place in order.tolist()], dim=1)


def _mixed_patches(image: Tensor, order: NDArray[np.int64]) -> Tensor:
    """One (channels, height, width) image with its 4 x 4 patches in another order."""
    high, wide = image.shape[1] // _PATCHES, image.shape[2] // _PATCHES
    mixed = image.clone()
    for place, other in enumerate(order.tolist()):
        top, left = place // _PATCHES * high, place % _PATCHES * wide
        from_top, from_left = other // _PATCHES * high, other % _PATCHES * wide
        mixed[:, top : top + high, left : left + wide] = image[
            :, from_top : from_top + high, from_left : from_left + wide
        ]
    return mixed
