"""Slots: every row that any version of the training data may hold, so that versions compare."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from chaffinch.core.randomness import stream
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.models.inputs import Inputs
from chaffinch.models.language.classification import ABSENT
from chaffinch.repair.effect import Effect


@dataclass(frozen=True, eq=False)
class Slots:
    """Inputs in which some samples come several times.

    The first N slots are the samples as they are. A softened sample has a further slot for each of
    its other classes, and changed copies have slots of their own. All trainings draw their order
    over all slots, so that they see what they share in the same order.

    Attributes:
        parts: The N samples, and the changed copies if there are any.
        places: (R,) position in the parts laid one after another, of each slot.
    """

    parts: tuple[Inputs, ...]
    places: NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return self.parts[0].shape

    def __len__(self) -> int:
        return len(self.places)

    def batch(self, index: Tensor) -> Tensor:
        """The samples in the slots ``index`` (B,)."""
        places = self.places[index.cpu().numpy()]
        size = len(self.parts[0])
        if len(self.parts) == 1 or (places < size).all():
            return self.parts[0].batch(torch.from_numpy(places))
        own = torch.from_numpy(np.flatnonzero(places < size))
        copies = torch.from_numpy(np.flatnonzero(places >= size))
        second = self.parts[1].batch(torch.from_numpy(places[copies.numpy()] - size))
        if not len(own):
            return second
        first = self.parts[0].batch(torch.from_numpy(places[own.numpy()]))
        return _woven(first, second, torch.cat([own, copies]).argsort())

    def embedding(self) -> Floats:
        """(R, K) as the first part has it."""
        return self.parts[0].embedding()[self.places]

    def embedding_of(self, other: Inputs) -> Floats:
        """(M, K) as the first part has it."""
        return self.parts[0].embedding_of(other)


def _woven(first: Tensor, second: Tensor, order: Tensor) -> Tensor:
    """The rows of both, one after the other, in another order; sparse ones stay sparse."""
    order = order.to(first.device)
    if first.layout is not torch.sparse_csr:
        if first.ndim == 2 and first.shape[1] != second.shape[1]:  # tokens of longer texts
            width = max(first.shape[1], second.shape[1])
            first, second = (
                F.pad(one, (0, width - one.shape[1]), value=ABSENT) for one in (first, second)
            )
        return torch.cat([first, second])[order]
    joined = torch.cat([first.to_sparse(), second.to_sparse()])
    return joined.index_select(0, order).coalesce().to_sparse_csr()


@dataclass(frozen=True, eq=False)
class Version:
    """One version of the training data.

    Attributes:
        name: For tables.
        rows: (n,) slots that are trained on.
        codes: (R,) class in each slot.
        weights: (R,) what each loss counts.
    """

    name: str
    rows: NDArray[np.int64]
    codes: Codes
    weights: Floats

    def within(self, origin: NDArray[np.int64], allowed: Mask) -> "Version":
        """The version without the slots whose samples are held out.

        Args:
            origin: (R,) the sample behind each slot.
            allowed: (N,) samples that may be trained on.
        """
        return replace(self, rows=self.rows[allowed[origin[self.rows]]])


@dataclass(frozen=True, eq=False)
class Layout:
    """Where the versions of N samples find their slots.

    Attributes:
        origin: (R,) the sample behind each slot.
        places: (R,) position of the slot's input, see `Slots`.
        soft: By sample, its further slots: (slot, class) pairs.
        copies: By sample, the slots of its changed copies.
        given: (N,) the labels as given.
    """

    origin: NDArray[np.int64]
    places: NDArray[np.int64]
    soft: dict[int, tuple[tuple[int, int], ...]]
    copies: dict[int, tuple[int, ...]]
    given: Codes

    @classmethod
    def of(cls, effect: Effect, given: Codes) -> "Layout":
        """Make room for everything that a plan may do."""
        count = len(given)
        origin, places = list(range(count)), list(range(count))
        soft: dict[int, tuple[tuple[int, int], ...]] = {}
        if effect.soft is not None:
            for row in np.flatnonzero(effect.soft.max(axis=1) < 1).tolist():
                others = [c for c in np.flatnonzero(effect.soft[row]).tolist() if c != given[row]]
                soft[row] = tuple((len(origin) + k, c) for k, c in enumerate(others))
                origin += [row] * len(others)
                places += [row] * len(others)
        copies: dict[int, tuple[int, ...]] = {}
        for number, row in enumerate(effect.extra_rows.tolist()):
            copies[row] = (*copies.get(row, ()), len(origin))
            origin.append(row)
            places.append(count + number)
        return cls(np.asarray(origin), np.asarray(places), soft, copies, given)

    def original(self) -> Version:
        """The data as they are."""
        rows = np.arange(len(self.given))
        return Version("original", rows, self.given[self.origin], np.ones(len(self.origin)))

    def repaired(self, name: str, effect: Effect) -> Version:
        """The data after a plan, or a part of the plan that the layout was made for."""
        codes, weights = effect.codes[self.origin], effect.weights[self.origin].copy()
        rows = effect.rows.tolist()
        if effect.soft is not None:
            for row, slots in self.soft.items():
                if effect.soft[row].max() == 1:
                    continue  # not softened in this part of the plan
                weights[row] = effect.soft[row, self.given[row]]
                for slot, code in slots:
                    codes[slot], weights[slot] = code, effect.soft[row, code]
                    rows.append(slot)
        for row in np.flatnonzero(effect.copies).tolist():
            rows += self.copies[row]
        chosen = np.asarray([slot for slot in rows if weights[slot] > 0], dtype=np.int64)
        return Version(name, chosen, codes, weights)

    def random_trim(self, count: int, seed: int) -> Version:
        """The data without ``count`` samples drawn at random, at most half of them."""
        count = min(count, len(self.given) // 2)
        original = self.original()
        drawn = stream(seed, "random trim").permutation(len(self.given))
        return replace(original, name="random trim", rows=np.sort(drawn[count:]))
