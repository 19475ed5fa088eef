"""Samples of a torch Dataset, gathered in one tensor."""

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Self, final

import numpy as np
import torch
from numpy.typing import NDArray

from chaffinch.core.errors import InputError
from chaffinch.core.fault import Fault
from chaffinch.core.identity import digest, fingerprint, ids_from_digests, ids_from_keys
from chaffinch.core.kinds import UNREADABLE
from chaffinch.core.labels import Labels
from chaffinch.core.progress import track
from chaffinch.core.types import Modality, Strings
from chaffinch.data.image_survey import reason_of

ITEM_ERRORS = (OSError, ValueError, SyntaxError, EOFError, RuntimeError, IndexError)
"""What a Dataset raises on an item that it cannot read; other errors are faults of the program."""


@final
@dataclass(frozen=True, eq=False)
class TensorData:
    """N labelled tensors of one shape. Build it with `of` or `of_dataset`, which check.

    Attributes:
        ids: (N,) unique ids.
        labels: The given labels.
        digests: (N,) hash of each tensor's type, shape and values.
        source: Where the tensors came from, for people.
        x: (N, ...) the tensors, of the type they came in; not to be written to.
        faults: Why samples cannot be used, by id.
    """

    ids: Strings
    labels: Labels
    digests: tuple[str, ...]
    source: str
    x: torch.Tensor
    faults: Mapping[str, Fault] = field(default_factory=dict)

    modality: ClassVar[Modality] = "array"

    @classmethod
    def of(
        cls,
        x: torch.Tensor,
        labels: Labels,
        *,
        ids: Strings | None = None,
        source: str = "tensor in memory",
    ) -> "TensorData":
        """Check a tensor and name its rows.

        Args:
            x: (N, ...) samples.
            labels: The given labels.
            ids: (N,) unique ids; by default they are made from the content.
            source: Where the samples came from, for people.

        Raises:
            InputError: No sample that is finite, or more or fewer samples than labels.
        """
        if x.ndim == 0 or len(x) != len(labels):
            raise InputError(
                f"as many samples as labels ({len(labels)}) in {source}",
                f"a tensor of shape {tuple(x.shape)}",
                "Pass samples and labels of the same samples",
            )
        x = x.detach().cpu().contiguous()
        finite = torch.isfinite(x).reshape(len(x), -1).all(dim=1).numpy()
        if not finite.any() and len(x):
            raise InputError(
                f"finite numbers in {source}",
                f"{int((~torch.isfinite(x)).sum())} NaN or infinite values",
                "Drop those samples or fill the values in",
            )
        form = f"{x.dtype} {tuple(x.shape[1:])}".encode()
        rows = x.reshape(len(x), -1).view(torch.uint8).numpy()
        digests = tuple(digest(form, row.tobytes()) for row in rows)
        named = ids_from_digests(digests) if ids is None else ids
        broken = Fault(UNREADABLE, "values that are NaN or infinite")
        faults = {str(named[row]): broken for row in np.flatnonzero(~finite)}
        return cls(named, labels, digests, source, x, faults)

    @classmethod
    def of_dataset(cls, dataset: Any) -> "TensorData":
        """Gather a map-style torch Dataset of (x, y) or (x, y, id).

        Args:
            dataset: Gives tensors, arrays or numbers of one shape as x, and a class as y. A third
                value is the sample's id where it is text or a whole number in every sample.

        Raises:
            InputError: Not map-style, empty, other items, x of different shapes, y that is no
                single class, or any reason that `of` has.
        """
        source = f"torch {type(dataset).__name__}"
        if not isinstance(dataset, Sized) or not hasattr(dataset, "__getitem__"):
            raise InputError(
                "a map-style torch Dataset with a length",
                f"{type(dataset).__name__}, which is not",
                "Pass a Dataset with __len__ and __getitem__; list(...) gathers an iterable one",
            )
        if not len(dataset):
            raise InputError(f"at least one sample in {source}", "none", "Check the data")
        samples, classes, keys, broken = _gather(dataset, source)
        x = samples if isinstance(samples, torch.Tensor) else torch.stack(samples)
        named = all(isinstance(key, str | int) and not isinstance(key, bool) for key in keys)
        ids = ids_from_keys(keys, "third item") if keys and named else None
        labels = Labels.of(classes, f"the labels of {source}", allow_missing=True)
        made = cls.of(x, labels, ids=ids, source=source)
        lost = {str(made.ids[row]): fault for row, fault in broken.items()}
        return replace(made, faults={**made.faults, **lost})

    @cached_property
    def fingerprint(self) -> str:
        """Hash of ids, contents and labels of the whole set, whatever the order."""
        return fingerprint(self.ids, self.digests, self.labels.values)

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, index: NDArray[Any]) -> Self:
        """The samples at the positions ``index`` (or where a mask is true), in that order."""
        rows = np.arange(len(self))[index]
        return replace(
            self,
            ids=self.ids[rows],
            labels=self.labels.take(rows),
            digests=tuple(self.digests[row] for row in rows),
            x=self.x[torch.from_numpy(rows)],
        )

    def show(self, position: int) -> Mapping[str, Any]:
        """The sample as ``{"image": (H, W, 3) uint8}`` where it is (C, H, W) or (H, W).

        C is 1, 3 or 4. Values outside 0..1 (0..255 for uint8) are stretched to the sample's own
        range. A sample of another shape gives an empty mapping.
        """
        sample = self.x[position]
        if sample.ndim == 2:
            sample = sample[None]
        if sample.ndim != 3 or sample.shape[0] not in (1, 3, 4) or 0 in sample.shape:
            return {}
        image = sample[:3].permute(1, 2, 0).expand(-1, -1, 3)
        if image.dtype != torch.uint8:
            image = image.double()
            low, high = min(0.0, float(image.min())), max(1.0, float(image.max()))
            if (low, high) != (0.0, 1.0):
                low, high = float(image.min()), float(image.max())
            image = ((image - low) / max(high - low, 1e-12) * 255).round().to(torch.uint8)
        return {"image": image.contiguous().numpy()}


def _gather(
    dataset: Any, source: str
) -> tuple[torch.Tensor | list[torch.Tensor], Sequence[Any], list[Any], dict[int, Fault]]:
    """Samples, classes, keys where there are any, and what is wrong with items, by position."""
    if type(dataset) is torch.utils.data.TensorDataset and 2 <= len(dataset.tensors) <= 3:
        x, y, *rest = dataset.tensors  # no need to go sample by sample
        keys = rest[0].tolist() if rest and rest[0].ndim == 1 else []
        classes = y.flatten().tolist() if y.numel() == len(y) else [_class(y[0], source)]
        return x, classes, keys, {}
    samples: list[torch.Tensor | None] = []
    classes = []
    keys = []
    broken: dict[int, Fault] = {}
    first: torch.Tensor | None = None
    with track(f"reading {source}", len(dataset)) as advance:
        for row in range(len(dataset)):
            try:
                item = dataset[row]
            except ITEM_ERRORS as error:
                broken[row] = Fault(UNREADABLE, reason_of(error))
                samples.append(None)
                classes.append(None)
                advance()
                continue
            if not isinstance(item, tuple | list) or len(item) < 2:
                raise InputError(
                    f"samples (x, y) or (x, y, id) from {source}",
                    f"a {type(item).__name__} as sample {row}",
                    "Wrap the Dataset in one that gives such tuples",
                )
            sample = _tensor(item[0], row, source)
            first = sample if first is None else first
            samples.append(sample)
            if sample.shape != first.shape or sample.dtype != first.dtype:
                raise InputError(
                    f"samples of one shape and type in {source}",
                    f"{_form(first)} first and {_form(sample)} as sample {row}",
                    "Resize, crop or pad the samples in the Dataset",
                )
            classes.append(_class(item[1], source))
            keys.extend(np.asarray(key).item() for key in item[2:3] if np.size(key) == 1)
            advance()
    if first is None:
        raise InputError(
            f"items of {source} that can be read",
            f"none of {len(dataset):,}, the first: {broken[0].reason}",
            "Check the Dataset with dataset[0]",
        )
    blank = torch.zeros_like(first)  # stands for what could not be read
    filled = [blank if sample is None else sample for sample in samples]
    return filled, classes, keys if len(keys) == len(classes) else [], broken


def _tensor(x: Any, row: int, source: str) -> torch.Tensor:
    try:
        return torch.as_tensor(x)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"tensors or arrays of numbers as samples of {source}",
            f"a {type(x).__name__} as sample {row}",
            "Turn it into a tensor in the Dataset (a transform, a tokenizer)",
        ) from error


def _class(value: Any, source: str) -> Any:
    if not isinstance(value, torch.Tensor | np.ndarray | np.generic):
        return value
    count = value.numel() if isinstance(value, torch.Tensor) else value.size
    if count != 1:
        raise InputError(
            f"one class a sample from {source}",
            f"a label of shape {tuple(value.shape)}",
            "Give the class itself, not a one-hot row or probabilities",
        )
    return value.item()


def _form(x: torch.Tensor) -> str:
    return f"{tuple(x.shape)} {x.dtype}"
