"""Cells of text become numbers where nothing is lost; the slow twin is Python's own reading."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.data.cell import words_of
from chaffinch.data.typed import type_cells

NUMBERS = st.one_of(
    st.integers(-(2**63), 2**64 - 1).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["0", "-0.0", "+7", " 12 ", "1.", ".5", "1e5", "00", "1.50"]),
)
CELLS = st.lists(
    st.one_of(NUMBERS, st.sampled_from(["", "NA", "?", "x", "007", "True"])), min_size=1, max_size=8
)


def read(cells, decimal=None, keep=()):
    frame = pd.DataFrame({"c": pd.Series([cell or None for cell in cells], dtype="str")})
    (
        typed,
        notes,
    ) = type_cells(frame, frozenset(keep), decimal, "t.csv")
    return typed["c"], notes


@given(CELLS)
def test_every_cell_keeps_what_python_reads_in_it(cells):
    column, _ = read(cells)
    known = [cell.strip() for cell in cells if cell not in ("", "NA", "?")]
    whole = bool(known) and all(re.fullmatch(r"[+-]?\d+", cell) for cell in known)
    number = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
    numeric = bool(known) and all(map(number.fullmatch, known))
    padded = any(re.match(r"[+-]?0\d", cell) for cell in known)
    values = [int(cell) for cell in known] if whole else []
    fits = not values or (min(values) >= -(2**63) and max(values) < 2**63)
    fits |= bool(values) and min(values) >= 0
    if not numeric or padded or (whole and not fits):
        assert column.dtype.kind not in "iuf" or column.isna().all()
        return
    expected = [
        None if cell in ("", "NA", "?") else int(cell) if whole else float(cell) for cell in cells
    ]
    for got, wanted in zip(column.astype(object), expected, strict=True):
        assert pd.isna(got) if wanted is None else (got == wanted and float(got) == float(wanted))


@given(st.lists(st.one_of(st.none(), st.integers(2**53, 2**63 - 1)), min_size=2, unique=True))
def test_large_whole_numbers_beside_empty_cells_stay_apart(values):
    column, _ = read(["" if value is None else str(value) for value in values])
    assert len(set(words_of(column).tolist())) == len(values)


def test_leading_zeros_and_more_than_64_bits_stay_text():
    assert read(["007", "7", ""])[0].tolist()[:2] == ["007", "7"]
    assert read([str(10**30), "1"])[0].tolist() == [str(10**30), "1"]
    assert read(["0", "10"])[0].tolist() == [0, 10]


@pytest.mark.parametrize(
    ("cells", "decimal", "expected", "words"),
    [
        (["1,5", "2", "-0,25"], None, [1.5, 2, -0.25], "decimal signs"),
        (["1.234,5", "7,25"], None, [1234.5, 7.25], "decimal signs"),
        (["1,234.5", "7.25"], None, [1234.5, 7.25], "between thousands"),
        (["1,234,567", "12"], None, [1234567, 12], "between thousands"),
        (["1,234", "5,678"], None, ["1,234", "5,678"], "may mean 1.234 or 1234.*--decimal"),
        (["1,234", "5,678"], ",", [1.234, 5.678], None),
        (["1,234", "5,678"], ".", [1234, 5678], None),
        (["1.234", "5.678"], ",", [1234, 5678], None),
        (["1.5", "2.5"], ",", [1.5, 2.5], None),
        (["1,5", "x"], None, ["1,5", "x"], None),
        (["1,5", "inf", "-Infinity"], None, [1.5, np.inf, -np.inf], "decimal signs"),
        (["1,5", "inf"], ",", [1.5, np.inf], None),
        (["01,5", "1,5"], None, ["01,5", "1,5"], None),
        (["0.123,5", "1"], ",", ["0.123,5", "1"], None),
        ([f"1{'.000' * 8}", "5"], ",", [f"1{'.000' * 8}", "5"], None),
        (["a, b", "c, d"], None, ["a, b", "c, d"], None),
    ],
)
def test_decimal_commas_are_found_out_or_asked_for(cells, decimal, expected, words):
    column, notes = read(cells, decimal)
    assert column.tolist() == expected
    assert bool(notes) == (words is not None)
    assert all(re.search(words, note) for note in notes)


def test_an_unclear_column_follows_a_clear_one():
    frame = pd.DataFrame({"a": ["1,234", "5,678"], "b": ["1,5", "2,5"]}, dtype="str")
    typed, _ = type_cells(frame, frozenset(), None, "t.csv")
    assert typed["a"].tolist() == [1.234, 5.678]


def test_numbers_spoilt_by_a_word_are_told():
    column, notes = read([*map(str, range(30)), "12 kg"])
    assert column.tolist()[-1] == "12 kg"
    assert "text because of 1 of 31 cells that are no numbers, such as '12 kg'" in notes[0]
    assert "beyond 2^53 among decimals" in read([str(2**60 + 1), "0.5"])[1][0]


@pytest.mark.parametrize("odd", ["-", "N/V", "#DIV/0!", "5 %", "\u22121,5", "1.5"])
@pytest.mark.parametrize("decimal", [None, ","])
def test_decimal_commas_spoilt_by_a_cell_are_told(odd, decimal):
    column, notes = read([*(f"{n},25" for n in range(30)), odd], decimal)
    assert column.tolist()[-1] == odd
    assert len(notes) == 1
    assert re.search(rf"'c' of t.csv is text because of 1 of 31 .*{re.escape(repr(odd))}", notes[0])


def test_points_and_commas_side_by_side_are_told():
    _, notes = read(["1,25", "2.5"] * 20)
    assert "20 of 40 cells that have another decimal sign than the others" in notes[0]
    assert read(["a, b", "1,5"] * 20)[1] == []


def test_named_columns_stay_text():
    assert read(["1", "2"], keep=["c"])[0].tolist() == ["1", "2"]
    assert np.isnan(read(["", ""])[0].to_numpy()).all()
    assert read(["NA", ""])[0].tolist()[0] == "NA"
    assert read(["True", "false"])[0].tolist() == [True, False]
