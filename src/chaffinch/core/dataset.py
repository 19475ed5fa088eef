"""What every kind of labelled data offers to the rest of the library."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self, runtime_checkable

from numpy.typing import NDArray

from chaffinch.core.labels import Labels
from chaffinch.core.types import Modality, Strings


@runtime_checkable
class Dataset(Protocol):
    """N labelled samples, each with an id that does not change when rows move.

    Data are never modified; ``take`` gives a view or a copy.
    """

    @property
    def ids(self) -> Strings:
        """(N,) unique ids, from a key column or from the content."""
        ...

    @property
    def labels(self) -> Labels:
        """The given labels."""
        ...

    @property
    def modality(self) -> Modality:
        """What a sample is; decides the default model and how a report shows it."""
        ...

    @property
    def source(self) -> str:
        """Where the data came from, for people ("train.csv", "arrays in memory")."""
        ...

    @property
    def digests(self) -> Sequence[str]:
        """(N,) hash of each sample's content without its label."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hash of ids, contents and labels of the whole set, whatever the order."""
        ...

    def __len__(self) -> int: ...

    def take(self, index: NDArray[Any]) -> Self:
        """The samples at the positions ``index``, in that order."""
        ...

    def show(self, position: int) -> Mapping[str, Any]:
        """What a person looks at.

        Keys by modality: a table gives ``{column: value}``, text gives ``{"text": str}``,
        others give ``{"image": (H, W, 3) uint8}`` where the sample can be drawn, sounds and series
        with further cells beside it.
        """
        ...
