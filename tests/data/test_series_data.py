import numpy as np
import pandas as pd
import pytest

from chaffinch.core.errors import InputError
from chaffinch.core.labels import Labels
from chaffinch.data import SeriesData, open_data
from chaffinch.data.line_plot import plot
from chaffinch.data.series import MOST_STEPS, interpolated


@pytest.fixture
def random():
    return np.random.default_rng(0)


def long_table(random, count=6, steps=5):
    rows = [
        (f"m{one}", step, random.normal(), one % 2, f"site {one // 3}")
        for one in range(count)
        for step in range(steps + one)
    ]
    return pd.DataFrame(rows, columns=["machine", "time", "speed", "label", "site"])


def test_floats_that_are_no_brightness_are_series(random):
    x = random.normal(size=(6, 20, 3))
    data = open_data((x, [0, 1] * 3))
    assert isinstance(data, SeriesData)
    assert data.modality == "series"
    assert data.channels == ("x0", "x1", "x2")
    values, own = data.array()
    assert values.shape == (6, 3, 20)
    np.testing.assert_allclose(values, x.transpose(0, 2, 1), rtol=1e-6)
    assert own.all()
    assert not data.notes


def test_what_may_be_brightness_is_an_image_unless_it_is_said(random):
    x = random.random(size=(6, 20, 8))
    assert open_data((x, [0, 1] * 3)).modality == "image"
    assert open_data((x, [0, 1] * 3), series=True).modality == "series"
    assert open_data({"x": x, "y": [0, 1] * 3}, series="x").modality == "series"
    assert open_data((np.uint8(x * 255), [0, 1] * 3)).modality == "image"
    assert open_data((np.int16(x * 2550), [0, 1] * 3)).modality == "image"


def test_lists_of_different_lengths_are_series(random):
    x = [random.normal(size=(10 + n, 2)) for n in range(6)]
    data = open_data((x, [0, 1] * 3))
    assert data.modality == "series"
    values, own = data.array()
    assert values.shape == (6, 2, 15)
    assert own.sum(axis=1).tolist() == [10, 11, 12, 13, 14, 15]
    assert (values[0, :, 10:] == 0).all()
    assert data.notes == ("5 series of fewer than 15 steps were filled up with zeros.",)
    single = open_data(([one[:, 0] for one in x], [0, 1] * 3))
    assert single.channels == ("x",)


def test_one_series_far_longer_than_the_others_is_cut(random):
    x = [random.normal(size=10) for _ in range(30)] + [random.normal(size=500)]
    data = SeriesData.of(x, Labels.of([0, 1] * 15 + [0]))
    assert data.length == 10
    assert "Of 1 longer series the first 10 steps were used." in data.notes


def test_long_series_become_means_of_neighbouring_steps():
    x = np.arange(2 * MOST_STEPS + 1, dtype=float)
    values, _ = SeriesData.of([x, x], Labels.of([0, 1])).array()
    assert values.shape[2] == (2 * MOST_STEPS + 1 + 2) // 3
    np.testing.assert_allclose(values[0, 0, :3], [1, 4, 7])


def test_a_long_table_is_gathered_in_order_of_time(random):
    table = long_table(random)
    mixed = table.sample(frac=1, random_state=1)
    data, same = (open_data(one, series="machine", group="site") for one in (table, mixed))
    assert data.ids.tolist() == [f"m{one}" for one in range(6)]
    assert data.channels == ("speed",)
    assert list(data.labels.texts) == ["0", "1"] * 3
    assert data.groups.names == ("site 0", "site 1")
    place = {name: row for row, name in enumerate(same.ids.tolist())}
    for row, name in enumerate(data.ids.tolist()):
        expected = table[table.machine == name].speed.to_numpy(np.float32)
        np.testing.assert_array_equal(data.values[row][:, 0], expected)
        np.testing.assert_array_equal(same.values[place[name]][:, 0], expected)
    assert data.first_rows == (0, 5, 11, 18, 26, 35)
    assert data.notes[0] == "Rows were gathered to 6 series by 'machine', ordered by 'time'."


def test_times_may_be_dates_and_may_be_missing_as_a_column(random):
    table = long_table(random, count=4)
    days = pd.Timestamp("2024-01-09") + pd.to_timedelta(table.time, unit="D")
    dated = table.assign(time=days.dt.strftime("%Y-%m-%d")).iloc[::-1]
    found = open_data(dated, series="machine")
    by_name = dict(zip(found.ids.tolist(), found.values, strict=True))
    for name, values in by_name.items():
        np.testing.assert_allclose(values[:, 0], table[table.machine == name].speed, rtol=1e-6)
    plain = open_data(table.drop(columns="time"), series="machine")
    assert "ordered as the rows stand" in plain.notes[0]
    assert "Columns without numbers were left out: 'site'." in plain.notes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": range(39)}, "several in 6 series .* in the series of row 0"),
        ({"machine": [None] * 39}, "39 empty cells"),
        ({"time": ["soon"] * 39}, "numbers or ISO dates"),
        ({"time": [np.nan] + [1.0] * 38}, "1 empty cells"),
        ({"speed": ["fast"] * 39}, "columns of numbers"),
    ],
)
def test_unusable_long_tables_are_refused(random, change, message):
    table = long_table(random).iloc[:39].assign(**change)
    with pytest.raises(InputError, match=message):
        open_data(table, series="machine")


def test_a_missing_column_of_series_is_named(random):
    with pytest.raises(InputError, match="a series column named 'machin'"):
        open_data(long_table(random), series="machin")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([np.zeros(3)] * 3, "as many series as labels"),
        ([np.zeros((3, 1)), np.zeros((3, 2))], "some of 1 and some of 2"),
        (["ab", "cd"], "series of numbers"),
        ([np.full(3, np.nan)] * 2, r"2 without \(no values\)"),
    ],
)
def test_unusable_series_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        SeriesData.of(values, Labels.of([0, 1]))


def test_missing_values_are_interpolated_and_series_without_any_are_faults():
    one = np.asarray([[np.nan, 1], [2, np.nan], [np.nan, np.nan], [4, 4]])
    np.testing.assert_allclose(interpolated(one), [[2, 1], [2, 2], [3, 3], [4, 4]])
    data = SeriesData.of([one, one[:, ::-1], np.full((4, 2), np.nan)], Labels.of([0, 1, 0]))
    assert {fault.kind for fault in data.faults.values()} == {"empty"}
    assert np.isfinite(data.array()[0]).all()
    infinite = SeriesData.of([one, np.full((4, 2), np.inf)], Labels.of([0, 1]))
    assert {fault.kind for fault in infinite.faults.values()} == {"unreadable"}


def test_parts_keep_length_and_rows(random):
    data = open_data(long_table(random), series="machine")
    part = data.take(np.asarray([4, 1]))
    assert part.ids.tolist() == ["m4", "m1"]
    assert part.length == data.length
    assert part.first_rows == (26, 5)
    other = SeriesData.of([np.zeros((4, 2))] * 2, Labels.of([0, 1]))
    with pytest.raises(InputError, match="series of 1 channels"):
        other.like(data)


def test_series_are_shown_as_lines():
    rising = np.arange(50, dtype=np.float32)[:, None]
    picture = plot(rising)
    assert picture.shape == (120, 240, 3)
    dark = picture[..., 0] < 150
    assert dark[:, :40].nonzero()[0].mean() > 80  # begins below
    assert dark[:, -40:].nonzero()[0].mean() < 40  # ends above
    gap = rising.copy()
    gap[20:30] = np.nan
    assert not (plot(gap)[:, 105:135, 0] < 150).any()
    assert (plot(np.ones((5, 1), np.float32))[55:65] < 150).any()  # a flat line is in the middle
