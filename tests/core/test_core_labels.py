from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.core.errors import InputError
from chaffinch.core.labels import Labels


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        (["b", "a", "b"], ["a", "b"]),
        ([10, 9, 10], [9, 10]),
        ([True, False, True], [False, True]),
        ([0.5, -1.0, 0.5], [-1.0, 0.5]),
        (["x", 1, "x"], [1, "x"]),
        (np.asarray([2, 0, 2]), [0, 2]),
        (pd.Series(["b", "a", "b"], index=[7, 8, 9]), ["a", "b"]),
        (pd.Series([2, 1, 2], dtype="Int64"), [1, 2]),
        (pd.Categorical(["b", "a", "b"], categories=["b", "a", "unused"]), ["a", "b"]),
        (torch.tensor([3, 1, 3]), [1, 3]),
        ((label for label in ("b", "a", "b")), ["a", "b"]),
    ],
    ids=[
        *("str", "int", "bool", "float", "mixed", "array", "series"),
        *("nullable", "categorical", "tensor", "generator"),
    ],
)
def test_classes_are_sorted_and_values_come_back(values, classes):
    labels = Labels.of(values)
    assert labels.classes.tolist() == classes
    assert labels.codes.tolist() == [1, 0, 1]
    assert labels.values.tolist() == [classes[1], classes[0], classes[1]]
    assert labels.names == [str(value) for value in classes]
    assert labels.counts.tolist() == [1, 2]
    assert len(labels) == 3


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=30))
def test_codes_name_the_values(values):
    labels = Labels.of(values)
    assert labels.values.tolist() == values
    assert labels.classes.tolist() == sorted(set(values))
    assert labels.counts.sum() == len(values)


def test_taking_some_keeps_the_classes():
    some = Labels.of(["a", "b", "c"]).take(np.asarray([2, 2]))
    assert some.values.tolist() == ["c", "c"]
    assert some.counts.tolist() == [0, 0, 2]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], "Expected at least one sample in column 'y'; got none"),
        (["a", None, float("nan")], "a label in every row of column 'y'; got 2 missing of 3"),
        (np.eye(3), r"one label a sample in column 'y'; got an array of shape \(3, 3\)"),
        (torch.eye(2), r"got an array of shape \(2, 2\). Pass class labels, not one-hot rows"),
    ],
    ids=["empty", "missing", "one-hot", "one-hot tensor"],
)
def test_labels_that_are_none(values, words):
    with pytest.raises(InputError, match=words):
        Labels.of(values, "column 'y'")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["a", "a"], "at least two classes in column 'y'; got only 'a'"),
        (
            ["a", "a", "b", "c"],
            "at least two samples of every class .* got 2 with one, such as 'b'",
        ),
    ],
)
def test_labels_that_no_classifier_can_learn(values, words):
    with pytest.raises(InputError, match=words):
        Labels.of(values).check_trainable("column 'y'")


def test_one_class_that_occurs_among_several():
    with pytest.raises(InputError, match="only 'b'"):
        Labels.of(["a", "b", "b"]).take(np.asarray([1, 2])).check_trainable()


def test_a_class_without_samples_can_be_learned_around():
    Labels(np.asarray([0, 0, 2, 2]), np.arange(3)).check_trainable()


def test_numbers_beyond_64_bits_are_text():
    labels = Labels.of([2**70, 3, -(2**70), 3])
    assert labels.names == sorted([str(2**70), "3", str(-(2**70))])
    assert labels.values.tolist() == [str(2**70), "3", str(-(2**70)), "3"]
    assert Labels.of([2**63 - 1, -(2**63)]).classes.tolist() == [-(2**63), 2**63 - 1]


@pytest.mark.parametrize(
    "values",
    [
        np.array([3, 1, 2, 1]),
        np.array([3, 1, 2, 1], dtype=np.int16),
        np.array([True, False, True, True]),
        np.array(["b", "a", "c", "a"]),
        np.array(["b", "a", "c", "a"], dtype=object),
        pd.Series(["b", "a", "c", "a"]),
        pd.Series([3, 1, 2, 1], dtype="category"),
        pd.Series([3, 1, 2, 1], dtype="Int64"),
        [1, "1", 2, "b"],
        [1.5, 2.0, 1.5, 3.0],
        [2**70, 1, 2, 1],
    ],
)
def test_many_labels_are_read_as_few(values: Any) -> None:
    few = Labels.of(values)
    many = Labels.of(np.tile(values, 400) if isinstance(values, np.ndarray) else _often(values))
    np.testing.assert_array_equal(many.codes, np.tile(few.codes, 400))
    assert many.classes.tolist() == few.classes.tolist()
    assert many.classes.dtype == few.classes.dtype


def _often(values: Any) -> Any:
    return values * 400 if isinstance(values, list) else pd.concat([values] * 400)


def test_a_missing_label_among_many_texts_is_refused() -> None:
    with pytest.raises(InputError, match="1 missing"):
        Labels.of(["a", "b"] * 600 + [None])
