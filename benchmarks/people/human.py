"""Sets with labels that people gave: CIFAR-10N, and test sets whose labels were reviewed."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import need_file
from benchmarks.people.case import Case, Clean

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.people.sets import Size

    Load = Callable[[int, Size, Path], Case]

EVIDENCE = ("probabilities", "embeddings", "both")
_FOLD, _MISORDERED = 10_000, 1_000


@lru_cache(maxsize=3)
def _arrays(name: str) -> Mapping[str, NDArray[Any]]:
    with np.load(need_file(name)) as arrays:
        return {key: arrays[key] for key in arrays.files}


def _released(backbone: str, labels: str) -> "Load":
    """Predictions of fine-tuned networks on all 50,000 images."""

    def load(seed: int, size: "Size", _cache: "Path") -> Case:
        arrays = _arrays("cifar10n_released_predictions.npz")
        given, right, p = arrays[f"y_{labels}"], arrays["y_clean"], arrays[f"p_{labels}_{backbone}"]
        if labels == "aggregate":
            rows = same_order(len(given))
            given, right, p = given[rows], right[rows], p[rows]
        return _part(given, right, (p, None), seed, size)

    return load


def same_order(count: int) -> NDArray[np.int64]:
    """Rows at which right labels and aggregate labels are of the same image.

    Both were released in the order of the test folds of their own stratified split, in which up to
    600 rows before and 1,000 after each border of two folds are in another order.
    """
    rows = np.arange(count)
    near = (rows + _MISORDERED) % _FOLD < 2 * _MISORDERED
    outer = (rows < _MISORDERED) | (rows >= count - _MISORDERED)
    return rows[~near | outer]


def _efficientnet(labels: str, kind: str) -> "Load":
    """Logistic regression on EfficientNet-lite0 features of 16,000 images."""

    def load(seed: int, size: "Size", _cache: "Path") -> Case:
        arrays = _arrays("cifar10n_16k_efficientnet.npz")
        evidence = (
            None if kind == "embeddings" else arrays[f"p_{labels}"],
            None if kind == "probabilities" else arrays["embedding"],
        )
        return _part(arrays[f"y_{labels}"], arrays["y_clean"], evidence, seed, size)

    return load


def _part(
    given: NDArray[Any],
    right: NDArray[Any],
    evidence: tuple[NDArray[Any] | None, NDArray[Any] | None],
    seed: int,
    size: "Size",
) -> Case:
    """A part of the samples drawn by the seed, and other samples with their right labels."""
    rows = np.random.default_rng([seed, 4]).permutation(len(given))
    rows, apart = rows[: size.human], rows[size.human : size.human + size.clean]
    given, right = given.astype(np.int64), right.astype(np.int64)
    p, embeddings = evidence

    def take(part: NDArray[np.int64]) -> tuple[Any, Any]:
        return (
            None if p is None else normalised(p[part]),
            None if embeddings is None else embeddings[part].astype(np.float32),
        )

    return Case(
        given[rows],
        given[rows] != right[rows],
        right[rows],
        *take(rows),
        clean=Clean(right[apart], *take(apart)),
    )


def _reviewed(name: str) -> "Load":
    """A test set of which some labels were reviewed by five people each."""

    def load(seed: int, size: "Size", _cache: "Path") -> Case:
        arrays = _arrays("reviewed_test_labels.npz")
        given = arrays[f"{name}_labels"].astype(np.int64)
        known = np.zeros(len(given), dtype=np.bool_)
        known[arrays[f"{name}_reviewed"]] = True
        errors = np.zeros(len(given), dtype=np.bool_)
        errors[arrays[f"{name}_reviewed"]] = wrong_by_vote(
            arrays[f"{name}_votes_given_guessed_neither_both"]
        )
        p = normalised(arrays[f"{name}_probabilities"])
        # All reviewed samples stay; the seed draws which of the others are judged with them.
        random = np.random.default_rng([seed, 5])
        others = random.permutation(np.flatnonzero(~known))[: max(0, size.human - known.sum())]
        rows = np.sort(np.concatenate([np.flatnonzero(known), others]))
        return Case(given[rows], errors[rows], None, p[rows], known=known[rows])

    return load


def wrong_by_vote(votes: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether most of the votes (n, 4) for given, guessed, neither, both call the label wrong."""
    return np.asarray(2 * votes[:, 1:3].sum(1) > votes.sum(1))


def normalised(p: NDArray[Any]) -> NDArray[np.float32]:
    """Rows that sum to one; half precision had rounded them."""
    p = np.maximum(p.astype(np.float64), 1e-8)
    return np.asarray(p / p.sum(1, keepdims=True), dtype=np.float32)


LOADERS: dict[str, "Load"] = {
    **{
        f"cifar10n/{backbone}/{labels}": _released(backbone, labels)
        for backbone in ("resnet18", "twins")
        for labels in ("aggregate", "worst")
    },
    **{
        f"cifar10n/efficientnet/{labels}/{kind}": _efficientnet(labels, kind)
        for labels in ("aggregate", "worst")
        for kind in EVIDENCE
    },
    "reviewed/20news": _reviewed("20news"),
    "reviewed/cifar10": _reviewed("cifar10"),
}
