"""Moments and spans of time as classes are written alike in findings, answers and plans."""

import numpy as np
import pandas as pd
import pytest

import chaffinch as cf
from chaffinch.core.labels import Labels

DAYS = pd.to_datetime(["2020-01-01 00:00", "2021-01-01 12:30"])


@pytest.mark.parametrize(
    "classes",
    [DAYS.as_unit("us"), DAYS.as_unit("ns"), DAYS - pd.Timestamp("2019-12-31")],
    ids=["us", "ns", "span"],
)
@pytest.mark.parametrize("calibrated", [False, True])
def test_a_repair_writes_the_class_of_the_data(classes, calibrated):
    random = np.random.default_rng(0)
    truth = random.integers(0, 2, 60)
    x = np.eye(2)[truth] + 0.05 * random.normal(size=(60, 2))
    given = truth.copy()
    given[0] = 1 - truth[0]
    data = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "label": classes[given]})
    ids = cf.open_data(data).ids
    found = cf.judge(data["label"], embeddings=x, ids=ids)
    if calibrated:
        rows = [0, *found.to_check(8)["row"]]
        raw = found.calibrate({ids[row]: classes.to_numpy()[truth[row]] for row in rows})
        found = found.calibrate({ids[row]: classes[truth[row]] for row in rows})
        assert found.table["suspicion"].equals(raw.table["suspicion"])
    edit = next(one for one in cf.propose(found, "balanced").edits if one.id == ids[0])
    assert edit.new_label == str(classes[truth[0]])
    clean = cf.propose(found, "balanced").apply(data)
    assert clean["label"].iloc[0] == classes[truth[0]]
    assert Labels.of(data["label"]).names == [str(one) for one in classes]
