import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import TensorDataset

from chaffinch.core.errors import InputError
from chaffinch.core.labels import Labels
from chaffinch.data import open_data
from chaffinch.data.usable import set_aside, split_usable


@given(
    st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=12),
    st.lists(st.sampled_from(["", "one", "two"]), min_size=12, max_size=12),
)
@settings(max_examples=60, deadline=None)
def test_samples_are_split_as_one_would_by_hand(labels, texts):
    texts = texts[: len(labels)]
    wanted = {}
    for row, (label, text) in enumerate(zip(labels, texts, strict=True)):
        if not text:
            wanted[row] = "empty"
        elif label is None:
            wanted[row] = "unlabelled"
    left = [label for row, label in enumerate(labels) if row not in wanted]
    for row, label in enumerate(labels):
        if row not in wanted and left.count(label) == 1:
            wanted[row] = "too_rare"
    frame = pd.DataFrame({"text": texts, "label": labels})
    data = open_data(frame, text_column="text", trainable=False)
    if len(wanted) == len(labels):
        with pytest.raises(InputError, match=r"samples that can be judged in .* none of"):
            split_usable(data)
        return
    usable, aside = split_usable(data)
    assert {row: fault.kind for row, fault in aside.faults.items()} == wanted
    rest = [row for row in range(len(labels)) if row not in wanted]
    assert usable.ids.tolist() == data.ids[rest].tolist()
    assert usable.labels.values.tolist() == [labels[row] for row in rest]
    assert (usable.labels.counts >= 2).all()
    assert (usable is data) == (not wanted)
    kept, _ = split_usable(data, keep_classes=True)
    assert kept.labels.classes.tolist() == data.labels.classes.tolist()


def test_arrays_and_tensors_with_values_that_are_not_finite():
    x = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    x[1, 2], x[4, 0] = np.nan, np.inf
    y = np.array([0, 1, 0, 1, 0, 1])
    for data in ((x, y), TensorDataset(torch.tensor(x), torch.tensor(y)), {"x": x, "y": y}):
        _, aside = split_usable(open_data(data, trainable=False))
        assert aside.counts == {"unreadable": 2}
        assert sorted(aside.faults) == [1, 4]
    with pytest.raises(InputError, match=r"2 of 6 that cannot \(2 unreadable: row 1 .*; row 4"):
        open_data((x, y))


def test_the_first_ten_are_listed_and_all_counted():
    labels = Labels.of([None] * 15 + ["a", "a"], allow_missing=True)
    aside = set_aside(np.arange(17).astype(str), labels, {})
    assert aside.listed.startswith("15 unlabelled: row 0 (no label); row 1 (no label); ")
    assert aside.listed.endswith("row 9 (no label) and 5 more")
