"""Cross-validation for any task: folds that follow the ids, and predictions that are held out."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from chaffinch.core.progress import track
from chaffinch.core.types import Codes, Floats
from chaffinch.models.inputs import DenseInputs
from chaffinch.pipeline.encode import Encoded

Predict = Callable[[Floats], Mapping[str, NDArray[Any]]]
"""From the features of n samples (n, I) to what is predicted of them by name, each (n, ...)."""

Fit = Callable[[Floats, NDArray[Any], int], Predict]
"""Learns from features (n, I) and targets (n, ...) under a seed."""

HELD_OUT = "held_out_"
"""What the names of records begin with that come from models which never saw the sample."""

_WIDEST = 1024


def fold_of(ids: NDArray[Any], folds: int, seed: int) -> Codes:
    """(N,) fold 0..K-1 of each sample, by its id: it does not matter in which order they come."""
    keys = [hashlib.blake2b(f"{seed} {one}".encode(), digest_size=8).digest() for one in ids]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    fold = np.empty(len(keys), dtype=np.int64)
    fold[order] = np.arange(len(keys)) % folds
    return fold


def predict_by_folds(
    fit: Fit, features: Floats, targets: NDArray[Any], folds: Codes, seed: int, state: Path
) -> dict[str, NDArray[Any]]:
    """What models of K folds predict for the samples that they never saw.

    Args:
        fit: Learns from some samples.
        features: (N, I).
        targets: (N, ...).
        folds: (N,) 0..K-1.
        seed: Decides every random choice.
        state: Folder where finished folds are kept, so that an interrupted scan goes on.

    Returns:
        Records by name, each ``held_out_`` and what the prediction calls it, (N, ...).
    """
    made: dict[str, NDArray[Any]] = {}
    state.mkdir(parents=True, exist_ok=True)
    count = int(folds.max()) + 1
    with track("training", count) as advance:
        for number in range(count):
            rows, others = np.flatnonzero(folds == number), np.flatnonzero(folds != number)
            file = state / f"{number}.npz"
            if not file.is_file():
                said = fit(features[others], targets[others], seed + 1 + number)(features[rows])
                draft = file.with_suffix(".draft")
                with draft.open("wb") as stream:
                    arrays: dict[str, Any] = {name: np.asarray(one) for name, one in said.items()}
                    np.savez(stream, **arrays)
                draft.replace(file)
            with np.load(file) as kept:
                for name in kept:
                    part = kept[name]
                    whole = made.setdefault(
                        HELD_OUT + name, np.zeros((len(features), *part.shape[1:]), part.dtype)
                    )
                    whole[rows] = part
            advance()
    return made


def features_of(encoded: Encoded) -> Floats:
    """(N, I) float32 description of the samples that models of any kind can learn from."""
    inputs = encoded.inputs
    if isinstance(inputs, DenseInputs) and len(inputs.shape) == 1 and inputs.shape[0] <= _WIDEST:
        dense: Floats = inputs.batch(torch.arange(len(inputs))).float().numpy()
        return dense
    return inputs.embedding()
