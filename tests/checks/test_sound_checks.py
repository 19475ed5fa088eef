"""Sounds and series that stand out, one planted among many; and nothing else."""

import numpy as np
import pandas as pd
import pytest
from sounds import tone, write, write_folder

import chaffinch as cf
from chaffinch.checks.sound import odd_durations, silent_sounds
from chaffinch.checks.sound_property import clipped_share, loudness


def named(found, check):
    table = found.table
    return {source.rpartition("/")[2] for source in table[table[f"check_{check}"]]["source"]}


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    root = write_folder(tmp_path_factory.mktemp("planted") / "tones", each=30)
    write(root / "low" / "silent.wav", tone() * 1e-4)
    write(root / "low" / "clipped.wav", np.clip(tone() * 20, -0.99, 0.99))
    write(root / "low" / "long.wav", tone(seconds=1.0, seed=98))
    write(root / "low" / "rate.wav", tone(rate=11025, seed=99), 11025)
    (root / "low" / "broken.wav").write_bytes(b"no sound")
    (root / "high" / "copy.wav").write_bytes((root / "high" / "001.wav").read_bytes())
    write(root / "high" / "softer.wav", tone(1500, seed=3) * 0.5)
    return cf.check(root)


@pytest.mark.parametrize(
    ("check", "planted"),
    [
        ("silent", {"silent.wav"}),
        ("clipped", {"clipped.wav"}),
        ("odd_duration", {"long.wav"}),
        ("odd_sampling_rate", {"rate.wav"}),
        ("unreadable", {"broken.wav"}),
        ("exact_duplicates", {"copy.wav", "001.wav"}),
    ],
)
def test_each_planted_fault_is_found_and_nothing_else(checked, check, planted):
    assert named(checked, check) == planted


def test_a_softer_copy_is_a_near_duplicate(checked):
    assert {"softer.wav", "003.wav"} <= named(checked, "near_duplicates")


def test_sounds_without_classes_are_checked_too(tmp_path):
    write_folder(tmp_path / "deep", each=3)
    for place in (tmp_path / "deep").rglob("*.wav"):
        place.rename(tmp_path / f"{place.parent.name}-{place.name}")
    found = cf.check(tmp_path)
    assert len(found.table) == 6
    assert "silent" in found.checked
    assert "conflicting_duplicates" not in found.checked


def test_loudness_is_in_decibels_of_full_scale():
    assert loudness(np.ones(100, np.float32)) == pytest.approx(0)
    assert loudness(np.full(100, 0.1, np.float32)) == pytest.approx(-20, abs=1e-4)
    assert loudness(np.zeros(100, np.float32)) == -120
    flagged, scores = silent_sounds(np.asarray([-20.0] * 30 + [-70.0]))
    assert np.flatnonzero(flagged).tolist() == [30]
    assert scores.argmax() == 30
    assert not silent_sounds(np.full(30, -70.0))[0].any()  # a set of faint sounds is none


def test_clipping_is_runs_at_the_peak_on_either_side():
    wave = np.asarray([0, 1, 1, 1, 0, -1, -1, -1, -1, 0.5], np.float32)
    assert clipped_share(wave) == pytest.approx(0.7)
    assert clipped_share(wave * 0.3) == pytest.approx(0.7)
    assert clipped_share(np.asarray([0, 1, 1, 0, 1, 0], np.float32)) == 0
    assert clipped_share(np.zeros(5, np.float32)) == 0


def test_lengths_are_odd_by_a_factor():
    lengths = np.asarray([1.0, 1.1, 0.9] * 10 + [1.9, 4.0, 0.2, np.nan])
    flagged, scores = odd_durations(lengths)
    assert np.flatnonzero(flagged).tolist() == [31, 32]
    assert scores[31] > scores[30] > scores[0]


def test_series_that_never_change_or_stop_early_are_found():
    random = np.random.default_rng(0)
    rows = [
        (one, step, 1.0 if one == 7 else random.normal())
        for one in range(60)
        for step in range(9 if one == 11 else 40)
    ]
    table = pd.DataFrame(rows, columns=["machine", "time", "speed"])
    found = cf.check(table, series="machine")
    flags = found.table.set_index("id")
    assert flags.index[flags["check_constant_series"]].tolist() == ["7"]
    assert flags.index[flags["check_odd_duration"]].tolist() == ["11"]
    assert found.table["source"].iloc[2] == "DataFrame in memory:80"
