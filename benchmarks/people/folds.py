"""Out-of-sample probabilities of fold models, kept on disk under the digest of their inputs."""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

FOLDS = 5
LOGISTIC, BOOSTING = "logistic regression", "gradient boosting"
_VERSION = 2  # of what is kept: raise it when the models change


def predict_folds(
    inputs: Any, codes: NDArray[np.int64], others: Any, model: str, cache: Path
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Probabilities by models that did not train on the sample.

    Args:
        inputs: (N, I) array or sparse matrix.
        codes: (N,) given labels, 0..C-1.
        others: (M, I) samples that no model trains on.
        model: `LOGISTIC` or `BOOSTING`.
        cache: Folder in which they are kept.

    Returns:
        (N, C) probabilities of the model of the other four folds; (M, C) mean of all five models.
    """
    path = cache / "folds" / f"{_digest(model, codes, inputs, others)}.npz"
    if path.is_file():
        with np.load(path) as kept:
            return kept["probabilities"], kept["others"]
    size = int(codes.max()) + 1
    probabilities = np.zeros((len(codes), size), np.float32)
    mean = np.zeros((others.shape[0], size), np.float32)
    for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(codes, codes):
        fitted = _model(model).fit(inputs[train], codes[train])
        probabilities[np.ix_(test, fitted.classes_)] = fitted.predict_proba(inputs[test])
        mean[:, fitted.classes_] += fitted.predict_proba(others).astype(np.float32) / FOLDS
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}.npz")
    np.savez(draft, probabilities=probabilities, others=mean)
    draft.replace(path)
    return probabilities, mean


def _model(name: str) -> Any:
    if name == LOGISTIC:
        return LogisticRegression(C=1.0, max_iter=300)
    return HistGradientBoostingClassifier(
        max_iter=25, learning_rate=0.15, max_leaf_nodes=15, early_stopping=False, random_state=0
    )


def _digest(model: str, *arrays: Any) -> str:
    digest = hashlib.sha256(f"{_VERSION} {FOLDS} {model}".encode())
    for array in arrays:
        parts = (array.data, array.indices, array.indptr) if sparse.issparse(array) else (array,)
        for part in parts:
            part = np.ascontiguousarray(part)
            digest.update(f"{part.dtype} {part.shape}".encode())
            digest.update(part.tobytes())
    return digest.hexdigest()[:24]
