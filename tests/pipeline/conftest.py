import numpy as np
import pandas as pd
import pytest

from chaffinch.corruptions import uniform_flips


@pytest.fixture
def blobs() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """240 samples of three separable classes: features, labels with 24 flips, the flips."""
    random = np.random.default_rng(7)
    truth = np.repeat([0, 1, 2], 80)
    centres = np.array([[0, 0, 0, 0], [5, 0, 5, 0], [0, 5, 0, 5]])
    X = (centres[truth] + random.normal(size=(240, 4))).astype(np.float32)
    labels, errors = uniform_flips(truth, 0.1, seed=3)
    return X, labels, errors


@pytest.fixture
def table(blobs) -> pd.DataFrame:
    X, labels, _ = blobs
    names = np.array(["ant", "bee", "cow"])
    return pd.DataFrame(X, columns=list("abcd")).assign(label=names[labels])


@pytest.fixture
def csv(table, tmp_path):
    path = tmp_path / "insects.csv"
    table.to_csv(path, index=False)
    return path
