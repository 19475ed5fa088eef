import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import data
from benchmarks.data import Sizes, draw_splits, load_source, need_file
from benchmarks.data import source as sources
from benchmarks.data.source import Source
from benchmarks.data.split import covertype_table, stratified_order
from chaffinch.core.errors import InputError

SIZES = Sizes(300, 100, 200)


def parts(splits):
    return splits.train, splits.validation, splits.test


def test_the_parts_have_their_sizes_and_share_no_row():
    made = parts(draw_splits("digits", 0, SIZES))
    assert [len(part.rows) for part in made] == [300, 100, 200]
    assert len(np.unique(np.concatenate([part.rows for part in made]))) == 600


def test_samples_and_classes_are_those_of_their_rows():
    source = load_source("digits")
    for part in parts(draw_splits("digits", 3, SIZES)):
        assert np.array_equal(part.samples, source.samples[part.rows])
        assert np.array_equal(part.codes, source.labels[part.rows])


def test_another_seed_redraws_all_parts_and_the_same_one_does_not():
    one, again, other = (draw_splits("digits", seed, SIZES) for seed in (0, 0, 1))
    for first, same, new in zip(parts(one), parts(again), parts(other), strict=True):
        assert np.array_equal(first.rows, same.rows)
        assert len(np.intersect1d(first.rows, new.rows)) < 0.6 * len(first.rows)


def test_a_test_part_of_its_own_is_used(monkeypatch):
    own = Source(np.zeros((40, 2, 2), np.uint8), np.arange(40) % 4)
    tested = np.ones((20, 2, 2), np.uint8), np.arange(20) % 4
    monkeypatch.setitem(
        sources._READERS, "made up", lambda: Source(own.samples, own.labels, tested)
    )
    splits = draw_splits("made up", 0, Sizes(30, 10, 20))
    assert (splits.test.samples == 1).all()
    assert (splits.train.samples == 0).all()
    assert set(splits.train.rows).isdisjoint(splits.validation.rows)
    load_source.cache_clear()


@given(st.lists(st.integers(0, 3), min_size=1, max_size=60), st.integers(0, 5), st.integers(1, 60))
def test_every_stretch_from_the_start_is_stratified(values, seed, length):
    codes = np.asarray(values, dtype=np.int64)
    order = stratified_order(codes, seed, "test")
    assert sorted(order) == list(range(len(codes)))
    taken = codes[order[:length]]
    for code in np.unique(codes):
        share = (codes == code).mean() * len(taken)
        assert abs((taken == code).sum() - share) < len(np.unique(codes)) + 1e-9


def test_too_few_samples_are_refused():
    with pytest.raises(InputError, match="Choose smaller sizes"):
        draw_splits("digits", 0, Sizes(1500, 200, 200))


def test_unknown_data_are_refused():
    with pytest.raises(InputError, match="Known: digits, letter"):
        load_source("didgits")


def test_missing_data_name_the_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("CHAFFINCH_DATA", str(tmp_path))
    with pytest.raises(InputError, match="Set CHAFFINCH_DATA"):
        need_file("letter.parquet")
    monkeypatch.setenv("CHAFFINCH_DATA", str(tmp_path / "nowhere"))
    assert data.data_folder() is None


def test_covertype_categories_are_its_indicator_columns():
    x = np.zeros((2, 54), dtype=np.float32)
    x[:, :10] = np.arange(10)
    x[0, 11] = x[1, 13] = 1
    x[0, 14] = x[1, 53] = 1
    table = covertype_table(x)
    assert table["wilderness"].tolist() == ["area 1", "area 3"]
    assert table["soil"].tolist() == ["soil 0", "soil 39"]
    assert table.iloc[0, :10].tolist() == list(range(10))
