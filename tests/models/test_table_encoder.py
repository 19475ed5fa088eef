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
    assert "Columns of text that hardly ever repeat were left out: name." in encoder.notes
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


@pytest.mark.parametrize(
    ("cells", "order"),
    [
        (["2020-01-31", "2021-2-1", None, "2020-01-31 12:30"], "year, month, day"),
        (["2020/01/31", "2021/02/01"], "year, month, day"),
        (["31.01.2020", "1.2.2021", "3.4.2021"], "day, month, year"),
        (["31/01/2020", "01/02/2021"], "day, month, year"),
        (["01/31/2020", "02/01/2021"], "month, day, year"),
        (["01/02/2020", "03/04/2021"], "though the month may come first"),
        (["31 Jan 2020", "1 February 2021"], "name of the month"),
    ],
)
def test_dates_in_text_are_points_in_time(cells, order):
    encoder = TableEncoder(one(*cells * 5))
    assert "read as dates" in encoder.notes[0]
    assert order in encoder.notes[0]
    known = [cell for cell in cells if cell is not None]
    matrix = encoder.encode(one(*known)).tensor.numpy()
    assert matrix.shape[1] == 1 + (None in cells)
    assert np.all(np.diff(matrix[:2, 0]) > 0)
    if order == "year, month, day":
        stamps = pd.to_datetime(pd.Series(known[:2]), format="mixed")
        np.testing.assert_allclose(encoder.encode(stamps.to_frame("x")).tensor, matrix[:2])


def test_other_text_is_no_date():
    for cells in (
        ["2020-13-45", "2021-14-01"],
        ["1.2", "3.4"],
        ["x", "2020-01-01"],
        ["13/13/2020"],
    ):
        assert not any("dates" in note for note in TableEncoder(one(*cells * 3)).notes)


def test_days_of_arrow_and_python_are_numbers():
    days = pd.Series(pd.date_range("2020-01-01", periods=30))
    expected = encode(days.to_frame("x"))
    for column in (days.dt.date, days.astype("date32[pyarrow]").astype(object)):
        np.testing.assert_allclose(encode(column.to_frame("x")), expected)
    assert encode((days - days[0]).to_frame("x")).shape == (30, 1)


@pytest.mark.parametrize(
    ("name", "values", "left_out"),
    [
        ("a", np.random.default_rng(0).permutation(50), True),
        ("customer_id", np.arange(50) ** 2, True),
        ("orderNumber", np.arange(50) ** 2, True),
        ("a", np.arange(50) + 10**17, True),
        ("a", np.arange(50) + np.arange(50) // 9, True),
        ("a", np.arange(50) ** 2, False),
        ("width", np.arange(50) ** 2, False),
        ("id", np.arange(50) // 2, False),
        ("id", np.arange(50) / 7, False),
    ],
)
def test_numbers_that_name_rows_are_left_out_with_a_note(name, values, left_out):
    frame = pd.DataFrame({name: values, "x": np.random.default_rng(1).normal(size=50)})
    encoder = TableEncoder(frame)
    assert encoder.encode(frame).shape == (1 if left_out else 2,)
    assert any(f"--id {name}" in note for note in encoder.notes) == left_out
    alone = frame[[name]]
    assert TableEncoder(alone).encode(alone).shape == (1,)


def test_text_beside_numbers_is_used():
    good, bad = "this was a good and lovely day", "the service was awful and far too slow"
    texts = [f"{(good, bad)[n % 2]} number{n} in town" for n in range(120)]
    frame = pd.DataFrame({"text": texts, "x": np.random.default_rng(0).normal(size=120)})
    encoder = TableEncoder(frame)
    matrix = encoder.encode(frame).tensor.numpy()
    assert encoder.left_out == []
    assert "--text text uses it alone" in encoder.notes[0]
    even, odd = matrix[::2, :-1], matrix[1::2, :-1]
    apart = np.abs(even.mean(axis=0) - odd.mean(axis=0)).max()
    assert apart > 5 * max(even.std(axis=0).max(), odd.std(axis=0).max())
    np.testing.assert_allclose(encoder.encode(frame.iloc[:3]).tensor, matrix[:3], atol=1e-6)
    empty = encoder.encode(pd.DataFrame({"text": [None], "x": [0.0]})).tensor.numpy()
    assert bool(np.isfinite(empty).all())


@pytest.mark.parametrize("size", [1e150, 1e300, 1.7e308])
def test_huge_numbers_are_standardised_like_small_ones(size):
    small = np.random.default_rng(0).uniform(-1, 1, 40)
    np.testing.assert_allclose(encode(one(*small * size)), encode(one(*small)), rtol=1e-5)
