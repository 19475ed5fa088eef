"""A data set that says which sample it gives."""

from collections.abc import Mapping, Sequence, Sized
from typing import Any

from torch.utils.data import Dataset

from chaffinch.core.errors import InputError

ID_COLUMN = "sample_ids"
"""The key under which samples that are mappings carry their position."""


class IdentifiedDataset(Dataset[Any]):
    """Gives each sample of another data set with its position.

    Args:
        dataset: See `with_ids`.
    """

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, position: int) -> Any:
        return identified(int(position), self.dataset[position])

    def __getitems__(self, positions: Sequence[int]) -> list[Any]:
        many = getattr(self.dataset, "__getitems__", None)
        items = many(positions) if many else [self.dataset[position] for position in positions]
        return [
            identified(int(position), item) for position, item in zip(positions, items, strict=True)
        ]


def identified(position: int, item: Any) -> Any:
    """A sample with its position: ``(position, *item)``, or one more key of a mapping."""
    if isinstance(item, Mapping):
        return {**item, ID_COLUMN: position}
    if isinstance(item, tuple | list):
        return (position, *item)
    return (position, item)


def with_ids(dataset: Any) -> IdentifiedDataset:
    """Make a data set say which sample it gives, for `cf.watch`.

    Wrap the whole set first and take subsets of the result, so that ids stay the same.

    Args:
        dataset: Map-style. Samples ``(x, y)`` become ``(id, x, y)``, mappings (of Hugging Face) get
            the key "sample_ids"; ids are positions 0..N - 1.

    Returns:
        A Dataset of the same length; the given one is not changed.

    Raises:
        InputError: The data set has no length or no positions.

    Example:
        >>> data = torch.utils.data.TensorDataset(torch.ones(2, 3), torch.tensor([0, 1]))
        >>> with_ids(data)[1]
        (1, tensor([1., 1., 1.]), tensor(1))
    """
    if not isinstance(dataset, Sized) or not hasattr(dataset, "__getitem__"):
        raise InputError(
            "a map-style data set with a length",
            f"{type(dataset).__name__}, which is not",
            "Give ids of your own to watch.loss: a fixed number 0..N-1 for each sample",
        )
    return IdentifiedDataset(dataset)
