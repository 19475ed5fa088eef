import stat

import numpy as np
import pytest
from scipy.io import wavfile
from sounds import tone

from benchmarks import sound


def test_words_without_a_program_are_skipped_with_a_message(tmp_path, monkeypatch):
    monkeypatch.delenv("CHAFFINCH_ESPEAK", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="install espeak-ng"):
        sound.words(3, tmp_path)


def test_words_are_spoken_under_noise(tmp_path, monkeypatch):
    wavfile.write(tmp_path / "spoken.wav", 8000, np.int16(tone() * 20_000))
    program = tmp_path / "espeak-ng"
    program.write_text(f'#!/bin/sh\ncp "{tmp_path}/spoken.wav" "$2"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("CHAFFINCH_ESPEAK", str(program))
    files, classes = sound.words(12, tmp_path)
    assert classes.tolist() == [*range(10), 0, 1]
    first, second = (wavfile.read(file)[1] for file in files[:2])
    assert len(first) == 1600 + 1600
    assert not np.array_equal(first, second)


def test_series_are_made_of_four_classes(tmp_path):
    made, classes = sound.series(40, tmp_path)
    assert made.shape == (40, 96, 2)
    assert set(classes.tolist()) == {0, 1, 2, 3}
    np.testing.assert_array_equal(made, sound.series(40, tmp_path)[0])
