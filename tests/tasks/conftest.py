"""Targets with errors of known place, on features that explain them."""

import numpy as np
import pandas as pd
import pytest


def measured(seed=0, count=300):
    """Positive targets whose spread grows with them; ten tenfold, ten of other samples."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 3))
    right = np.exp(1 + x[:, 0] + 0.1 * rng.normal(size=count))
    y, what = right.copy(), np.full(count, "right", object)
    y[:10] *= 10
    y[10:20] = rng.permutation(right)[:10] * np.exp(3)
    what[:10], what[10:20] = "tenfold", "wrong"
    return pd.DataFrame(x, columns=["a", "b", "c"]).assign(y=y), what, right


@pytest.fixture(scope="session")
def numbers():
    return measured()
