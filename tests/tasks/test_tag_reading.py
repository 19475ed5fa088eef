"""Tags are read from every form in which people keep them."""

import numpy as np
import pandas as pd
import pytest

from chaffinch.core.errors import InputError
from chaffinch.tasks.multilabel.reading import (
    TagFormat,
    find_format,
    read_indicators,
    read_texts,
)
from chaffinch.tasks.multilabel.texts import NO_TAG, changed_text, find_separator, parse_texts

WANTED = ["a; c", "b", NO_TAG, None]
FRAMES = {
    "columns": ({"a": [1, 0, 0, None], "b": [0, 1, 0, None], "c": [1, 0, 0, None]}, "a,b,c"),
    "words": ({"a": ["yes", "no", "No", ""], "b": ["no", "YES", "no", ""]}, "a,b"),
    "lists": ({"y": [["a", "c"], ["b"], [], None]}, "y"),
    "arrays": ({"y": [np.array(["a", "c"]), np.array(["b"]), np.array([]), None]}, "y"),
    "json": ({"y": ['["a", "c"]', "['b']", "[]", None]}, "y"),
}


@pytest.mark.parametrize("name", FRAMES)
def test_every_form_is_read_alike(name):
    cells, label = FRAMES[name]
    frame = pd.DataFrame({**cells, "x": range(4)})
    form = find_format(frame, label)
    wanted = ["a", "b", NO_TAG, None] if name == "words" else WANTED
    assert read_texts(frame, form) == wanted


@pytest.mark.parametrize("separator", ["; ", ";", " | ", "|", ", ", ","])
def test_joined_texts_are_recognised_by_their_separator(separator):
    rows = [("a", "b"), ("b", "c"), ("a",), ("c", "a"), ("b",), ("a", "c", "b")] * 3
    frame = pd.DataFrame({"label": [separator.join(row) for row in rows]})
    form = find_format(frame)
    assert form == TagFormat("joined", ("label",), separator)
    assert read_texts(frame, form) == frame["label"].tolist()
    tags = parse_texts(frame["label"].tolist())
    assert tags.names == ("a", "b", "c")
    assert [tags.of(row) for row in range(3)] == [("a", "b"), ("b", "c"), ("a",)]


def test_a_missing_label_differs_from_no_tag():
    tags = parse_texts(["a; b", NO_TAG, None, "a; ?b"])
    assert tags.values.tolist() == [[1, 1], [0, 0], [-1, -1], [1, -1]]


def test_a_cell_that_nobody_filled_in_is_an_unknown_tag():
    frame = pd.DataFrame({"a": [1, 0], "b": [np.nan, 1]})
    texts = read_texts(frame, find_format(frame, "a,b"))
    assert texts == ["a; ?b", "b"]


def test_codes_get_the_names_of_their_classes():
    frame = pd.DataFrame({"y": [[0, 2], [1]]})
    form = find_format(frame, "y", ("cat", "dog", "cow"))
    assert read_texts(frame, form) == ["cat; cow", "dog"]


def test_a_pattern_and_usual_names_find_the_columns():
    frame = pd.DataFrame({"x1": [0.5, 2], "label1": [0, 1], "label2": [1, 1], "label_x": "no tag"})
    wanted = TagFormat("columns", ("label1", "label2"))
    assert find_format(frame) == wanted
    assert find_format(frame, "label2, label1") == TagFormat("columns", ("label2", "label1"))
    assert find_format(frame.drop(columns="label_x"), "label*") == wanted


def test_classes_and_texts_are_no_tags():
    classes = pd.DataFrame({"label": ["cat", "dog"] * 5})
    assert find_format(classes) is None
    texts = [f"word{i}, other{i} and more, thing{i}" for i in range(30)]
    assert find_format(pd.DataFrame({"label": texts})) is None
    towns = ["Austin, TX", "Dallas, TX", "Salem, OR"] * 9
    assert find_format(pd.DataFrame({"label": towns})) is None
    assert find_format(pd.DataFrame({"x": [1, 2]})) is None


def test_indicator_arrays():
    texts = read_indicators(np.array([[1, 0], [0, 0], [1, -1], [np.nan, np.nan]]), ["a", "b"])
    assert texts == ["a", NO_TAG, "a; ?b", None]
    assert read_indicators(np.array([[True, True]])) == ["tag0; tag1"]


def test_changed_texts_keep_the_order_of_what_stays():
    assert changed_text("c|a|b", "|", ["d"], ["a"]) == "c|b|d"
    assert changed_text("a", "", ["d"], []) == "a; d"
    assert changed_text("a; ?b", "; ", ["b"], ["a"]) == "b"
    assert changed_text("a", "|", [], ["a"]) == NO_TAG
    assert changed_text(NO_TAG, "; ", ["a"], []) == "a"


def test_names_with_semicolons_take_another_separator():
    frame = pd.DataFrame({"y": [["a;b", "c"], ["c"]]})
    texts = read_texts(frame, find_format(frame, "y"))
    assert texts == ["a;b | c", "c"]


def test_what_is_no_indicator_is_refused():
    with pytest.raises(InputError, match="1 and 0"):
        read_texts(pd.DataFrame({"a": [2], "b": [0]}), TagFormat("columns", ("a", "b")))
    with pytest.raises(InputError, match="label column named 'd'"):
        find_format(pd.DataFrame({"a": [1], "b": [0]}), "a,d")
    with pytest.raises(InputError, match="one column per tag"):
        read_indicators(np.zeros(3))
    with pytest.raises(InputError, match="codes of tags"):
        read_texts(pd.DataFrame({"y": [[7]]}), TagFormat("lists", ("y",), classes=("a",)))
    with pytest.raises(InputError, match="not one tag"):
        parse_texts([NO_TAG, None])


def test_separators_of_few_texts_need_repeated_tags():
    assert find_separator(["red, round", "green, long"]) == ""
    assert find_separator(["red, round", "green, long"], least_uses=0) == ", "
