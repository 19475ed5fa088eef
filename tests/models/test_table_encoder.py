import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.core.errors import InputError
from chaffinch.models.encoding import MAX_CATEGORIES, TableEncoder


def encode(frame, other=None):
    matrix = TableEncoder(frame).encode(frame if other is None else other).tensor.numpy()
    assert matrix.dtype == np.float32
    return matrix


def one(*values, **options):
    return pd.DataFrame({"x": pd.Series(values, **options)})


def test_numbers_are_standardised():
    np.testing.assert_allclose(encode(one(1, 2, 3)).T, [[-(1.5**0.5), 0, 1.5**0.5]], rtol=1e-6)


def test_a_missing_number_becomes_the_median_and_is_marked():
    matrix = encode(one(1.0, None, 3.0, 8.0))
    # The median of 1, 3 and 8 is 3; with it filled in the mean is 3.75.
    spread = np.std([1, 3, 3, 8])
    np.testing.assert_allclose(matrix[:, 0], (np.asarray([1, 3, 3, 8]) - 3.75) / spread, rtol=1e-6)
    assert matrix[:, 1].tolist() == [0, 1, 0, 0]


def test_infinite_numbers_are_missing_ones():
    matrix = encode(one(1.0, np.inf, 3.0))
    assert matrix[:, 1].tolist() == [0, 1, 0]
    assert matrix[1, 0] == 0


def test_a_number_that_is_missing_later_only_gets_no_column():
    matrix = encode(one(1.0, 2.0, 6.0), one(None, 2.0, dtype=float))
    assert matrix.shape == (2, 1)
    assert matrix[0] == matrix[1]


def test_the_scale_is_that_of_the_training_table():
    np.testing.assert_allclose(encode(one(0.0, 2.0), one(1.0, 3.0, 2.0)).T, [[0, 2, 1]], rtol=1e-6)


def test_far_outliers_are_cut():
    assert encode(one(0.0, 2.0), one(1e9, -1e9)).tolist() == [[10], [-10]]


@pytest.mark.parametrize("value", [0.0, 5, 0.1, 1e12, -3e-8, True])
def test_a_constant_column_is_zero(value):
    matrix = encode(one(*[value] * 7))
    np.testing.assert_allclose(matrix, np.zeros((7, 1)), atol=1e-6)


@pytest.mark.parametrize("unit", [1e-15, 1e-6, 1.0, 1e9])
def test_the_unit_of_a_column_does_not_matter(unit):
    values = np.asarray([1.0, 2, 4])
    np.testing.assert_allclose(encode(one(*(values * unit))), encode(one(*values)), rtol=1e-5)


def test_a_column_without_any_number():
    matrix = encode(one(None, None, dtype=float))
    np.testing.assert_array_equal(matrix, [[0, 1], [0, 1]])


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([True, False, True]),
        pd.Series([True, False, True], dtype="boolean"),
        pd.Series([1, 0, 1], dtype="Int8"),
    ],
    ids=["bool", "boolean", "Int8"],
)
def test_booleans_are_numbers(column):
    matrix = encode(pd.DataFrame({"x": column}))
    np.testing.assert_allclose(matrix.T, [[0.5**0.5, -(2**0.5), 0.5**0.5]], rtol=1e-6)


def test_nullable_columns_mark_missing_values():
    for dtype in ("Int64", "boolean", "Float32"):
        assert encode(one(1, None, 0, dtype=dtype))[:, 1].tolist() == [0, 1, 0]


DAYS = pd.DataFrame({"x": pd.to_datetime(["2020-01-01", None, "2020-01-03", "2020-01-02"])})


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_dates_are_numbers_in_whatever_unit_they_are_kept(unit):
    matrix = encode(DAYS.astype("datetime64[ns]"), DAYS.astype(f"datetime64[{unit}]"))
    np.testing.assert_allclose(matrix[:, 0], [-(2**0.5), 0, 2**0.5, 0], atol=1e-6)
    assert matrix[:, 1].tolist() == [0, 1, 0, 0]


def test_dates_with_a_time_zone():
    zoned = pd.DataFrame({"x": DAYS["x"].dt.tz_localize("Europe/Berlin")})
    np.testing.assert_allclose(encode(zoned), encode(DAYS), atol=1e-6)


def test_categories_get_a_column_each():
    frame = one("b", "a", "b", None)
    # The most frequent first, then by name; missing is a category like any other.
    assert encode(frame).tolist() == [[1, 0, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0]]
    assert encode(frame, one("c", "a", dtype=object)).tolist() == [[0, 0, 0], [0, 0, 1]]


def test_categorical_and_object_columns_are_encoded_alike():
    plain = one("b", "a", "b")
    for dtype in ("category", object, "string"):
        np.testing.assert_array_equal(encode(plain.astype(dtype)), encode(plain))


def test_mixed_values_are_categories():
    assert encode(one(1, "a", 1, dtype=object)).tolist() == [[1, 0], [0, 1], [1, 0]]


def test_only_the_most_frequent_categories_are_kept():
    names = [f"n{number:03}" for number in range(MAX_CATEGORIES + 10) for _ in range(3)]
    frame = one(*names, "n059", "n059")
    matrix = encode(frame)
    assert matrix.shape[1] == MAX_CATEGORIES
    assert matrix[-1, 0] == 1
    rare = np.asarray([name in {f"n{k:03}" for k in range(49, 59)} for name in frame["x"]])
    np.testing.assert_array_equal(matrix.sum(axis=1), np.where(rare, 0, 1))


def test_text_that_hardly_ever_repeats_is_left_out():
    frame = pd.DataFrame({"name": [f"person {n}" for n in range(60)], "age": range(60)})
    encoder = TableEncoder(frame)
    assert encoder.left_out == ["name"]
    assert encoder.encode(frame).shape == (1,)


def test_many_numbers_are_never_taken_for_names():
    frame = pd.DataFrame({"x": np.random.default_rng(0).normal(size=200)})
    assert TableEncoder(frame).left_out == []


def test_half_as_many_names_as_rows_still_repeat():
    repeated = pd.DataFrame({"x": [f"p{n // 2}" for n in range(200)]})
    assert TableEncoder(repeated).left_out == []


def test_only_names_are_nothing_to_learn_from():
    frame = pd.DataFrame({"name": [f"person {n}" for n in range(60)]})
    with pytest.raises(InputError, match=r"only columns of unique text \(name\). Name the text"):
        TableEncoder(frame)
    with pytest.raises(InputError, match=r"unique text \(none\)"):
        TableEncoder(pd.DataFrame(index=range(3)))


def test_columns_are_found_by_name_in_any_order():
    frame = pd.DataFrame({"a": [1.0, 2, 3], "b": ["x", "y", "x"], 3: [0.0, 0, 9]})
    encoder = TableEncoder(frame)
    other = frame[[3, "b", "a"]].assign(extra=1)
    np.testing.assert_array_equal(encoder.encode(other).tensor, encoder.encode(frame).tensor)


def test_a_table_without_a_column_is_refused():
    encoder = TableEncoder(pd.DataFrame({"a": [1, 2], "b": ["x", "x"]}))
    with pytest.raises(InputError, match=r"training table; got a table without b\. Give both"):
        encoder.encode(pd.DataFrame({"a": [1, 2]}))


def test_text_where_numbers_were_learned_is_refused():
    encoder = TableEncoder(pd.DataFrame({"age": [1, 2]}))
    with pytest.raises(InputError, match="numbers in the column 'age', as in the training table"):
        encoder.encode(pd.DataFrame({"age": ["1", "many"]}))


@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(allow_nan=True, width=16)),
            st.one_of(st.none(), st.sampled_from(["x", "y", "", "z"])),
            st.booleans(),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_every_table_becomes_finite_rows_that_stay_apart_from_each_other(rows):
    frame = pd.DataFrame(rows, columns=["n", "t", "b"]).astype({"n": float, "t": object})
    encoder = TableEncoder(frame)
    matrix = encoder.encode(frame).tensor.numpy()
    assert np.isfinite(matrix).all()
    assert np.abs(matrix).max() <= 10
    # A row is encoded by itself, whatever stands beside it.
    np.testing.assert_array_equal(encoder.encode(frame.iloc[::-1]).tensor.numpy(), matrix[::-1])
