"""Repaired folders of sounds, and long tables of series."""

import numpy as np
import pandas as pd
import pytest
from sounds import tone, write_folder

from chaffinch.core.edit import Edit
from chaffinch.core.errors import InputError
from chaffinch.core.labels import Labels
from chaffinch.data import AudioData, SeriesData, open_data
from chaffinch.data.sound_file import read_wave
from chaffinch.repair.augmentation import change_series, change_wave
from chaffinch.repair.plan import Plan


def edit(data, row, action, **more):
    return Edit(id=str(data.ids[row]), action=action, **more)


def plan_of(*edits):
    return Plan(edits)


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "tones", each=3, wrong=(1,))


def test_a_relabelled_sound_moves_and_a_copy_is_another_sound(folder, tmp_path):
    data = open_data(folder)
    names = [place.rpartition("/")[2] for place in data.files]
    wrong, other = names.index("001.wav"), names.index("002.wav")
    plan = plan_of(
        edit(data, wrong, "relabel", new_label="high"),
        edit(data, other, "augment", copies=1),
        edit(data, names.index("004.wav"), "trim"),
    )
    plan.apply(folder, out=tmp_path / "clean")
    clean = tmp_path / "clean"
    found = sorted(place.relative_to(clean).as_posix() for place in clean.rglob("*.wav"))
    assert found == [
        *("high/001.wav", "high/003.wav", "high/005.wav"),
        *("low/000.wav", "low/002+1.wav", "low/002.wav"),
    ]
    assert (tmp_path / "clean/high/001.wav").read_bytes() == (folder / "low/001.wav").read_bytes()
    copy, rate = read_wave(tmp_path / "clean/low/002+1.wav")
    original, _ = read_wave(folder / "low/002.wav")
    assert rate == 8000
    assert len(copy) == len(original)
    assert not np.array_equal(copy, original)


def test_a_table_of_sounds_keeps_its_other_rows(folder, tmp_path):
    rows = ["low/000.wav,low", "low/001.wav,low", "high/003.wav,high", "high/005.wav,high"]
    (folder / "labels.csv").write_text("\n".join(["file,label", *rows, ""]))
    data = open_data(folder)
    plan = plan_of(edit(data, 1, "relabel", new_label="high"))
    plan.apply(folder, out=tmp_path / "clean")
    rows[1] = "low/001.wav,high"
    assert (tmp_path / "clean/labels.csv").read_text() == "\n".join(["file,label", *rows, ""])
    assert (tmp_path / "clean/low/001.wav").is_file()


def test_all_rows_of_a_series_are_changed_and_no_other(tmp_path):
    lines = [f"m{one},{step},{step * one},{'ab'[one % 2]}" for step in range(4) for one in range(6)]
    place, out = tmp_path / "long.csv", tmp_path / "clean.csv"
    place.write_text("\n".join(["machine,time,x,label", *lines, ""]))
    data = open_data(place, series="machine")
    plan = plan_of(edit(data, 1, "relabel", new_label="a"), edit(data, 4, "trim"))
    plan.apply(place, out=out, series="machine")
    expected = [
        line.replace(",b", ",a") if line.startswith("m1") else line
        for line in lines
        if not line.startswith("m4")
    ]
    assert out.read_text() == "\n".join(["machine,time,x,label", *expected, ""])
    frame = plan.apply(pd.read_csv(place), series="machine")
    pd.testing.assert_frame_equal(frame.reset_index(drop=True), pd.read_csv(out))
    more = plan_of(edit(data, 1, "augment", copies=1))
    with pytest.raises(InputError, match="1 changed copies"):
        more.apply(place, out=tmp_path / "more.csv", series="machine")


def test_open_data_sets_are_repaired_in_memory():
    sounds = AudioData.of_waves([tone(seed=n) for n in range(4)], 8000, Labels.of([0, 1, 0, 1]))
    values = [np.random.default_rng(n).normal(size=(9, 2)) for n in range(4)]
    series = SeriesData.of(values, Labels.of([0, 1, 0, 1]))
    for data in (sounds, series):
        plan = plan_of(
            edit(data, 0, "relabel", new_label="1"),
            edit(data, 1, "augment", copies=2),
            edit(data, 2, "trim"),
        )
        made = plan.apply(data)
        assert type(made) is type(data)
        assert list(made.labels.texts) == ["1", "1", "1", "1", "1"]
        assert made.ids.tolist()[-2:] == [f"{data.ids[1]}+1", f"{data.ids[1]}+2"]
        assert len(set(made.digests)) == 5


def test_copies_are_like_their_originals_and_seeded():
    wave = tone()
    made = change_wave(wave, seed=3)
    np.testing.assert_array_equal(made, change_wave(wave, seed=3))
    assert made.dtype == np.float32
    assert np.abs(made).max() <= 1
    spectrum, other = (np.abs(np.fft.rfft(one)) for one in (wave, made))
    assert np.corrcoef(spectrum, other)[0, 1] > 0.9
    values = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    values[3, 1] = np.nan
    copy = change_series(values, seed=3)
    np.testing.assert_array_equal(copy, change_series(values, seed=3))
    assert np.isnan(copy).sum() == 1
    known = np.isfinite(values)
    assert np.corrcoef(copy[known], values[known])[0, 1] > 0.95
