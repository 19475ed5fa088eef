"""Evidence: what training and inference yielded, as frozen, id-aligned arrays.

Everything that judges is a pure function of an `Evidence`; nothing here knows a model.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chaffinch.core.errors import InputError
from chaffinch.core.labels import Labels
from chaffinch.core.sample_groups import SampleGroups
from chaffinch.core.types import Floats, Strings

_SHAPES = {
    "logits": ("E", "N", "C"),
    "held_out_logits": ("F", "N", "C"),
    "ensemble_logits": ("S", "N", "C"),
    "dropout_logits": ("D", "N", "C"),
    "held_out_dropout_logits": ("D", "N", "C"),
    "features": ("N", "I"),
    "features_by_epoch": ("E", "N", "I"),
    "feature_norms": ("E", "N"),
    "embeddings": ("N", "K"),
    "learning_rates": ("E",),
    "validation_logits": ("M", "C"),
    "validation_features": ("M", "I"),
    "validation_embeddings": ("M", "K"),
    "validation_logits_by_epoch": ("E", "M", "C"),
    "validation_features_by_epoch": ("E", "M", "I"),
    "validation_held_out_logits": ("J", "M", "C"),
    "validation_codes": ("M",),
    "fake_class_margins": ("R", "N"),
    "fake_class_members": ("R", "N"),
}
_EPOCHS = "EFSDR"  # letters of first axes that must not be empty


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known about N samples; every record but the labels may be absent (None).

    Attributes:
        ids: (N,) sample ids; rows of all records are in this order.
        labels: The given labels.
        logits: (E, N, C) outputs, epoch by epoch, of one model that was trained on all samples.
        held_out_logits: (F, N, C) outputs, epoch by epoch, of models that never saw the sample in
            training (K folds). Worth more than `logits`: no model can have memorised the label.
        ensemble_logits: (S, N, C) outputs in the last epoch of S models with other initial
            weights, each trained on all samples.
        dropout_logits: (D, N, C) outputs of D passes of the trained model with dropout on.
        held_out_dropout_logits: (D, N, C) the same of fold models in their last epoch, each on the
            samples that it never saw.
        features: (N, I) inputs of the last linear layer in the last epoch of the run behind
            `logits`, without the appended 1 of the bias.
        features_by_epoch: (E, N, I) these inputs in every epoch.
        feature_norms: (E, N) L2 norms of these inputs in every epoch.
        embeddings: (N, K) model-free description of the samples (encoded table rows, supplied
            sentence or image embeddings); used by neighbours before `features`.
        learning_rates: (E,) mean learning rate of each epoch of the run behind `logits`.
        validation_logits: (M, C) outputs for the validation samples in the last epoch.
        validation_features: (M, I) as `features`, for the validation samples.
        validation_embeddings: (M, K) as `embeddings`, in the same space, for these.
        validation_logits_by_epoch: (E, M, C) outputs for the validation samples in every epoch.
        validation_features_by_epoch: (E, M, I) as `features_by_epoch`, for these.
        validation_held_out_logits: (J, M, C) outputs of J fold models in their last epoch.
        validation_codes: (M,) labels of the validation samples.
        fake_class_margins: (R, N) area under the margin of each sample in R trainings in which some
            samples were given a class that does not exist.
        fake_class_members: (R, N) whether the sample was one of these.
        bias: Whether the last linear layer has a bias, so that its gradient counts.
        groups: Source, annotator or time slice of each sample, where labels of some may be wrong
            far more often than those of others.

    Raises:
        InputError: Lengths or shapes that do not agree, or values that are not finite.
    """

    ids: Strings
    labels: Labels
    logits: Floats | None = None
    held_out_logits: Floats | None = None
    ensemble_logits: Floats | None = None
    dropout_logits: Floats | None = None
    held_out_dropout_logits: Floats | None = None
    features: Floats | None = None
    features_by_epoch: Floats | None = None
    feature_norms: Floats | None = None
    embeddings: Floats | None = None
    learning_rates: Floats | None = None
    validation_logits: Floats | None = None
    validation_features: Floats | None = None
    validation_embeddings: Floats | None = None
    validation_logits_by_epoch: Floats | None = None
    validation_features_by_epoch: Floats | None = None
    validation_held_out_logits: Floats | None = None
    validation_codes: NDArray[np.int64] | None = None
    fake_class_margins: Floats | None = None
    fake_class_members: NDArray[np.bool_] | None = None
    bias: bool = True
    groups: SampleGroups | None = None

    def __post_init__(self) -> None:
        sizes = {"N": len(self.ids), "C": len(self.labels.classes)}
        if len(self.labels) != sizes["N"]:
            raise InputError(
                f"as many labels as ids ({sizes['N']})", str(len(self.labels)), "Align them by id"
            )
        if self.groups is not None and len(self.groups) != sizes["N"]:
            raise InputError(
                f"a group for each of {sizes['N']} samples", str(len(self.groups)), "Align them"
            )
        for name, letters in _SHAPES.items():
            array = getattr(self, name)
            if array is not None:
                _check(name, array, letters, sizes)

    @property
    def records(self) -> dict[str, NDArray[Any]]:
        """The arrays that are there, by name."""
        found = {name: getattr(self, name) for name in _SHAPES}
        return {name: array for name, array in found.items() if array is not None}

    def __len__(self) -> int:
        return len(self.ids)

    def has(self, name: str) -> bool:
        """Whether the record ``name`` is there."""
        return getattr(self, name) is not None

    def need(self, name: str) -> Floats:
        """The record ``name``.

        Raises:
            InputError: It was not collected.
        """
        return self.need_any(name)

    def need_any(self, *names: str) -> Floats:
        """The first of several records that exists.

        Raises:
            InputError: None of them was collected.
        """
        for name in names:
            array: Floats | None = getattr(self, name)
            if array is not None:
                return array
        raise InputError(
            f"evidence with the record {' or '.join(map(repr, names))}",
            f"only {', '.join(self.records) or 'labels'}",
            "Collect it (chaffinch scan does) or leave out the scorers that need it",
        )

    def take(self, index: NDArray[Any]) -> "Evidence":
        """The evidence of the samples at ``index``, in that order."""
        cut: dict[str, Any] = {
            name: np.take(array, index, axis=_SHAPES[name].index("N"))
            for name, array in self.records.items()
            if "N" in _SHAPES[name]
        }
        groups = None if self.groups is None else self.groups.take(index)
        labels = self.labels.take(index)
        return replace(self, ids=self.ids[index], labels=labels, groups=groups, **cut)


def _check(name: str, array: NDArray[Any], letters: tuple[str, ...], sizes: dict[str, int]) -> None:
    wanted = "(" + ", ".join(f"{x}={sizes[x]}" if x in sizes else x for x in letters) + ")"
    if array.ndim != len(letters):
        raise InputError(
            f"{name} of shape {wanted}", f"shape {array.shape}", "Check the axes of the array"
        )
    for letter, size in zip(letters, array.shape, strict=True):
        if sizes.setdefault(letter, size) != size:
            raise InputError(
                f"{name} of shape {wanted}",
                f"shape {array.shape}",
                "Rows are samples in the order of the ids, columns classes in sorted order",
            )
    if 0 in array.shape[:1] and letters[0] in _EPOCHS:
        raise InputError(f"at least one epoch in {name}", "none", "Train for at least one epoch")
    if np.issubdtype(array.dtype, np.floating) and not _finite(array):
        bad = int(sum(np.count_nonzero(~np.isfinite(part)) for part in array))
        raise InputError(
            f"finite numbers in {name}",
            f"{bad} NaN or infinite values",
            "Look for a diverged training (lower the learning rate) or broken features",
        )


def _finite(array: NDArray[Any]) -> bool:
    """Check block by block: a mask of a whole memory-mapped record would double its footprint."""
    if not array.size:
        return True
    rows = array.reshape(-1, array.shape[-1]) if array.ndim > 1 else array[:, None]
    step = max(1, 4_000_000 // max(1, rows.shape[1]))
    return all(np.isfinite(rows[start : start + step]).all() for start in range(0, len(rows), step))
