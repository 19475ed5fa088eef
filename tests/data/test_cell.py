import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.data.cell import row_digests, word_of, words_of

CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_infinity=False),
    st.text(st.characters(blacklist_categories=["Cs"]), max_size=8),
)


@given(st.lists(CELLS, min_size=1, max_size=8))
def test_a_column_has_the_words_of_its_cells(cells):
    column = pd.Series(cells, dtype=object)
    assert words_of(column).tolist() == [word_of(cell) for cell in cells]


@given(st.lists(st.floats(width=32, allow_infinity=False), min_size=1, max_size=8))
@pytest.mark.parametrize("dtype", ["float32", "float64", "Float32", "Float64", "object"])
def test_numbers_have_the_words_of_their_cells_in_any_type(dtype, cells):
    single = pd.Series(np.asarray(cells, np.float32))
    column = single.map(lambda cell: float(str(np.float32(cell)))).astype(dtype)
    assert words_of(column).tolist() == [word_of(cell) for cell in single.to_numpy()]


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=8))
@pytest.mark.parametrize("dtype", ["int64", "Int64", "object", "str"])
def test_whole_numbers_have_the_words_of_their_cells_in_any_type(dtype, cells):
    column = pd.Series(cells, dtype="int64").astype(dtype)
    assert words_of(column).tolist() == [word_of(cell) for cell in cells]


@pytest.mark.parametrize("dtype", ["object", "str", "string", "category", "string[pyarrow]"])
def test_strings_have_the_words_of_their_cells_in_any_type(dtype):
    cells = ["a", "", None, "1", "1.50", "007", "b", "a"]
    column = pd.Series(cells, dtype=dtype)
    assert words_of(column).tolist() == [word_of(cell) for cell in cells]


@pytest.mark.parametrize(
    "equal",
    [
        (1, 1.0, "1", "1.0", np.int8(1), np.float32(1)),
        (0.1, np.float32(0.1), "0.1", "1e-1"),
        (0.0, -0.0, 0, "0"),
        (None, float("nan"), "", pd.NA, pd.NaT),
        (True, np.bool_(True), "True"),
        (2**60 + 1, str(2**60 + 1), np.int64(2**60 + 1)),
        (pd.Timestamp("2020-02-03"), datetime.date(2020, 2, 3), "2020-02-03"),
    ],
)
def test_cells_equal_as_text_have_one_word(equal):
    assert len({word_of(cell) for cell in equal}) == 1


def test_different_cells_have_different_words():
    cells = [None, 0, 1, -1, True, False, "a", "A", " a", "01", "1 ", 0.5, 2**60, 2**60 + 1, b"a"]
    assert len({word_of(cell) for cell in cells}) == len(cells)


def test_whole_numbers_beyond_float64_are_told_apart():
    words = words_of(pd.Series([2**60, 2**60 + 1]))
    assert words[0] != words[1]


def test_the_same_cells_in_another_column_are_another_row():
    words = words_of(pd.Series([1, 2]))
    assert row_digests({"a": words}) != row_digests({"b": words})
    one, two = words_of(pd.Series([1])), words_of(pd.Series([2]))
    assert row_digests({"a": one, "b": two}) == row_digests({"b": two, "a": one})
    assert row_digests({"a": one, "b": two}) != row_digests({"a": two, "b": one})
