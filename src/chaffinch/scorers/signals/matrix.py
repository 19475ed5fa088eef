"""The influence of N samples on M validation samples, summed up block by block.

The N x M matrix ``I_ij = sum_t rate_t <g_i(t), g_j(t)>`` (TracIn of the last layer; positive = i
helps j) is made in blocks of rows and reduced at once to sums by the targets' classes, of which all
signals are functions. What the influence would be under other labels comes from the same blocks:
only the factor ``p_i - e_c`` changes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.scorers.signals.snapshot import Snapshot

_BLOCK_FLOATS = 1 << 18


@dataclass(frozen=True, eq=False)
class ClassSums:
    """What N samples do to the targets of each class.

    Attributes:
        helped: (N, C) sums of the positive influences, 0 or more.
        hurt: (N, C) sums of the negative influences, 0 or less.
        proposed: (N,) the class whose targets are hurt most: the label proposed by CNCI.
        hurt_if_proposed: (N,) sum of the negative influences on the targets of the given class,
            if the sample had the proposed label.
        runner_up: (N,) the class that is helped second most: the label tried by PCID.
        helped_if_runner_up: (N, C) as ``helped``, if the sample had that label.
    """

    helped: Floats
    hurt: Floats
    proposed: Codes
    hurt_if_proposed: Floats
    runner_up: Codes
    helped_if_runner_up: Floats

    @property
    def net(self) -> Floats:
        """(N, C) sums of the influences."""
        return self.helped + self.hurt


def influence_rows(
    snapshots: Sequence[Snapshot], codes: Codes, block: int | None = None
) -> Iterator[tuple[slice, Tensor]]:
    """The influence matrix, a few samples at a time.

    Args:
        snapshots: The times to sum over.
        codes: (N,) labels of the samples.
        block: Samples at a time; None for what fits into a cache.

    Yields:
        A slice of n samples and their influences (n, M).
    """
    for rows in _row_slices(snapshots, len(codes), block):
        yield rows, _influence(snapshots, _likeness(snapshots, rows), rows, codes[rows])


def class_sums(
    snapshots: Sequence[Snapshot], codes: Codes, target_codes: Codes, num_classes: int
) -> ClassSums:
    """Reduce the influence matrix to sums by class, and those under the counterfactual labels.

    Args:
        snapshots: The times to sum over.
        codes: (N,) labels of the samples.
        target_codes: (M,) labels of the targets.
        num_classes: C.
    """
    members = torch.nn.functional.one_hot(
        torch.from_numpy(np.array(target_codes)), num_classes
    ).float()
    slices = _row_slices(snapshots, len(codes), None)
    parts = [_sums_of_block(snapshots, rows, codes[rows], members) for rows in slices]
    if not parts:
        table, row = np.zeros((0, num_classes)), np.zeros(0)
        return ClassSums(table, table, row.astype(np.int64), row, row.astype(np.int64), table)
    return ClassSums(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _sums_of_block(
    snapshots: Sequence[Snapshot], rows: slice, given: Codes, members: Tensor
) -> tuple[Floats, Floats, Codes, Floats, Codes, Floats]:
    likeness = _likeness(snapshots, rows)
    influence = _influence(snapshots, likeness, rows, given)
    net = (influence @ members).double().numpy()
    helped = (influence.clamp_(min=0) @ members).double().numpy()
    hurt = np.minimum(net - helped, 0)
    present = members.any(dim=0).numpy()
    proposed, tried = propose(hurt, net, given, present), runner_up(helped)
    if_proposed = _influence(snapshots, likeness, rows, proposed).clamp_(max=0)
    own = (if_proposed @ members)[torch.arange(len(given)), torch.from_numpy(np.array(given))]
    if_tried = _influence(snapshots, likeness, rows, tried).clamp_(min=0) @ members
    return helped, hurt, proposed, own.double().numpy(), tried, if_tried.double().numpy()


def propose(hurt: Floats, net: Floats, given: Codes, present: Mask) -> Codes:
    """(N,) the class whose targets are hurt most.

    Where no target is hurt, all classes are tied, and the one that is helped least is taken; the
    given class, which would then be no counterfactual at all, only if there is no other.

    Args:
        hurt: (N, C) sums of negative influences.
        net: (N, C) sums of influences.
        given: (N,) the given classes.
        present: (C,) which classes have targets; the others cannot be proposed.
    """
    worst = np.where(present, hurt, np.inf)
    tied = worst.min(axis=1) >= 0
    least = np.where(present, net, np.inf)
    if present.sum() > 1:
        least[np.arange(len(given)), given] = np.inf
    chosen: Codes = np.where(tied, least.argmin(axis=1), worst.argmin(axis=1))
    return chosen


def runner_up(helped: Floats) -> Codes:
    """(N,) the class with the second largest of the sums (N, C); of ties, the lower number."""
    order = np.argsort(-helped, axis=1, kind="stable")
    second: Codes = order[:, min(1, helped.shape[1] - 1)]
    return second


def _row_slices(snapshots: Sequence[Snapshot], count: int, block: int | None) -> Iterator[slice]:
    targets = len(snapshots[0].target_errors) if snapshots else 1
    step = block or max(16, _BLOCK_FLOATS // max(1, targets))
    for start in range(0, count, step):
        yield slice(start, min(count, start + step))


def _likeness(snapshots: Sequence[Snapshot], rows: slice) -> list[Tensor]:
    """(n, M) products of the layer inputs at each time, times the rate."""
    return [one.inputs[rows] @ (one.rate * one.target_inputs).T for one in snapshots]


def _influence(
    snapshots: Sequence[Snapshot], likeness: Sequence[Tensor], rows: slice, codes: Codes
) -> Tensor:
    """(n, M) influence if the samples had the labels ``codes`` (n,)."""
    total = torch.zeros_like(likeness[0])
    product = torch.empty_like(total)
    for one, alike in zip(snapshots, likeness, strict=True):
        torch.mm(one.errors(rows, codes), one.target_errors.T, out=product)
        total.addcmul_(product, alike)
    return total
