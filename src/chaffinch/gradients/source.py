"""A source of factors: how the output errors and inputs of one use of a layer are stored."""

from abc import ABC, abstractmethod
from collections.abc import Hashable
from typing import Self

from torch import Tensor


class Source(ABC):
    """Factors of N samples for one weight; several sources where it is used several times.

    Attributes:
        errors: The output errors as stored, samples first.
        inputs: The layer inputs as stored, samples first.
    """

    errors: Tensor
    inputs: Tensor

    @property
    @abstractmethod
    def positions(self) -> int:
        """T, how many outer products one sample has."""

    @property
    @abstractmethod
    def structure(self) -> Hashable:
        """Equal for sources whose errors and inputs can be laid one after the other."""

    @abstractmethod
    def rebuilt(self, errors: Tensor, inputs: Tensor) -> Self:
        """A source of the same kind around other tensors."""

    @property
    @abstractmethod
    def floats_copied(self) -> int:
        """How many numbers `factors` copies for one sample; 0 where it gives views."""

    @abstractmethod
    def narrow(self, group: int, outputs: slice) -> Self:
        """The factors of some outputs of one group."""

    @abstractmethod
    def factors(self) -> tuple[Tensor, Tensor]:
        """Output errors (N, G, T, O) and layer inputs (N, G, T, I)."""

    @abstractmethod
    def lookup(
        self, samples: Tensor | slice, at: tuple[Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Factors (K, T) at samples (K,) and group, output and input ``at``, each (K,) or ()."""
