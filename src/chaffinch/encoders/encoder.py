"""What every pre-trained encoder offers, whatever library it comes from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from chaffinch.core.dataset import Dataset

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Samples:
    """The samples of a data set in the form in which an encoder takes them.

    Attributes:
        form: What the form is; the same sample in another form has other features.
        digests: (N,) hash of each sample's content.
        batch: Gives the samples at some positions, at most a batch of them.
        sizes: (N,) by what to sort them, so that little of a batch is padding; None for no order.
    """

    form: str
    digests: Sequence[str]
    batch: Callable[[Rows], Any]
    sizes: NDArray[Any] | None = None


class Encoder(Protocol):
    """Turns samples into features.

    Attributes:
        name: For people.
        key: Hash of all that decides the features; None where that cannot be known, and nothing is
            kept between calls.
        batch_size: Samples a batch.
    """

    @property
    def name(self) -> str:
        """For people."""
        ...

    @property
    def key(self) -> str | None:
        """Hash of what decides the features, or None."""
        ...

    @property
    def batch_size(self) -> int:
        """Samples a batch."""
        ...

    def present(self, data: Dataset) -> Samples:
        """The samples in the form that the encoder takes.

        Raises:
            InputError: Samples of a kind that it cannot read.
        """
        ...

    def encode(self, batch: Any) -> Any:
        """(B, K) features, as a tensor or an array, of what `Samples.batch` gave."""
        ...
