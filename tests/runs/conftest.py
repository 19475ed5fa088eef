import numpy as np
import pandas as pd
import pytest

import chaffinch as cf
from chaffinch.scorers.probability import softmax


@pytest.fixture(scope="module")
def judged():
    """120 samples of two classes, 12 with the other label: table, truth, probabilities."""
    random = np.random.default_rng(5)
    truth = np.arange(120) % 2
    x = 3 * truth[:, None] + random.normal(size=(120, 2))
    given = truth.copy()
    given[:12] = 1 - given[:12]
    probabilities = softmax(4 * np.eye(2)[truth] + 0.3 * random.normal(size=(120, 2)))
    table = pd.DataFrame(x, columns=["height", "width"])
    return table.assign(label=np.asarray(["lark", "wren"])[given]), truth, probabilities


@pytest.fixture(scope="module")
def csv(judged, tmp_path_factory):
    path = tmp_path_factory.mktemp("birds") / "birds.csv"
    judged[0].to_csv(path, index=False)
    return path


@pytest.fixture
def judge(judged, tmp_path):
    """Judge the samples, by default into a folder."""

    def make(out="run", **options):
        table, _, probabilities = judged
        labels, features = table["label"].to_numpy(), table[["height", "width"]]
        place = None if out is None else tmp_path / out
        options = {"ledger": "none", **options}
        return cf.judge(labels, probabilities, features, out=place, **options)

    return make
