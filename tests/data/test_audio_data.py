import io
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.io import wavfile
from sounds import tone, write, write_folder

from chaffinch.core.errors import InputError, MissingExtraError
from chaffinch.core.labels import Labels
from chaffinch.data import AudioData, open_data
from chaffinch.data.sound_file import centred, holds_sound, read_wave, wav_of
from chaffinch.data.usable import split_usable


def content(wave, rate=8000):
    buffer = io.BytesIO()
    wavfile.write(buffer, rate, wave)
    return buffer.getvalue()


@pytest.fixture(params=["scipy", "soundfile"])
def reader(request, monkeypatch):
    if request.param == "soundfile":
        pytest.importorskip("soundfile")
    else:
        monkeypatch.setattr("chaffinch.data.sound_file.has_soundfile", lambda: False)
    return request.param


@pytest.mark.parametrize(
    ("dtype", "scale", "shift"),
    [("uint8", 127, 128), ("int16", 32767, 0), ("int32", 2**31 - 1, 0), ("float32", 1, 0)],
)
def test_every_depth_of_wav_is_read_in_one_scale(reader, dtype, scale, shift):
    wave = tone()
    stored = np.rint(wave * scale + shift) if dtype != "float32" else wave
    found, rate = read_wave(content(stored.astype(dtype)))
    assert rate == 8000
    np.testing.assert_allclose(found, wave, atol=0.02 if dtype == "uint8" else 1e-4)


def test_channels_are_mixed_and_the_middle_is_cut(reader):
    both = np.stack([tone(300), -0.5 * tone(300)], axis=1)
    found, _ = read_wave(content(both), seconds=0.1)
    np.testing.assert_allclose(found, 0.25 * tone(300)[400:1200], atol=1e-6)


def test_flac_and_ogg_are_read_by_soundfile(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    for name in ("a.flac", "a.ogg"):
        soundfile.write(tmp_path / name, tone(), 8000)
        found, rate = read_wave(tmp_path / name)
        assert rate == 8000
        assert np.corrcoef(found, tone())[0, 1] > 0.98


def test_a_folder_of_sounds_is_opened(tmp_path):
    root = write_folder(tmp_path / "tones")
    (root / "low" / "notes.txt").write_text("x")
    data = open_data(root)
    assert isinstance(data, AudioData)
    assert data.modality == "audio"
    assert len(data) == 12
    assert sorted(set(data.labels.texts)) == ["high", "low"]
    assert data.rate == 8000
    assert data.seconds == pytest.approx(0.2)
    assert data.waves().shape == (12, 1600)
    assert data.notes == ("1 file was left out as no sound that can be read here (1 .txt).",)
    assert data.files[0].endswith("high/001.wav")


def test_a_table_of_paths_is_opened(tmp_path):
    write_folder(tmp_path, each=2)
    rows = [(f"{name}/{n:03d}.wav", name) for n, name in enumerate(["low", "high"] * 2)]
    pd.DataFrame(rows, columns=["audio", "label"]).to_csv(tmp_path / "list.csv", index=False)
    data = open_data(tmp_path / "list.csv")
    assert data.modality == "audio"
    assert list(data.labels.texts) == ["low", "high"] * 2
    listed = open_data(([tmp_path / row[0] for row in rows], [0, 1, 0, 1]))
    assert listed.digests == data.digests


def test_columns_of_encoded_and_of_decoded_sounds_are_opened():
    files = [content(tone(seed=n)) for n in range(4)]
    label = [0, 1, 0, 1]
    held = pd.DataFrame({"audio": [{"bytes": one, "path": None} for one in files], "label": label})
    arrays = [{"array": tone(seed=n), "sampling_rate": 8000, "path": ""} for n in range(4)]
    decoded = pd.DataFrame({"audio": arrays, "label": label})
    first, second = open_data(held), open_data(decoded)
    assert first.modality == second.modality == "audio"
    np.testing.assert_allclose(first.waves(), second.waves(), atol=1e-4)
    webp = b"RIFF\x00\x00\x00\x00WEBPVP8 "
    assert holds_sound(files[0])
    assert not holds_sound(webp)


def test_a_hugging_face_audio_column_is_opened():
    datasets = pytest.importorskip("datasets")
    rows = [{"bytes": content(tone(seed=n)), "path": None} for n in range(4)]
    table = pa.table({"audio": rows, "label": [0, 1, 0, 1]})
    made = datasets.Dataset(table).cast_column("audio", datasets.Audio())
    made = made.cast_column("label", datasets.ClassLabel(names=["low", "high"]))
    data = open_data(made)
    assert data.modality == "audio"
    assert list(data.labels.texts) == ["low", "high"] * 2


@pytest.mark.parametrize("key", ["rate", "sampling_rate", "sample_rate", "sr"])
def test_arrays_beside_a_rate_are_sounds(key):
    waves = np.stack([tone(seed=n) for n in range(4)])
    data = open_data({"x": waves, "y": [0, 1, 0, 1], key: 8000})
    assert data.modality == "audio"
    np.testing.assert_array_equal(data.waves(), waves)
    whole = open_data({"x": np.int16(waves * 32767), "y": [0, 1, 0, 1], key: [8000] * 4})
    np.testing.assert_allclose(whole.waves(), waves, atol=1e-4)


def test_rates_lengths_and_channels_become_one_and_notes_say_so():
    waves = [tone(seconds=0.2), tone(seconds=0.25), tone(rate=16000, seconds=0.2)]
    waves += [np.stack([tone(seconds=0.2)] * 2), tone(seconds=1.0)]
    labels = Labels.of([0, 1, 0, 1, 0])
    data = AudioData.of_waves(waves, [8000, 8000, 16000, 8000, 8000], labels)
    assert data.rate == 8000
    assert 0.25 < data.seconds < 1
    found = data.waves()
    short = np.flatnonzero(found[0])
    assert abs(short.mean() - found.shape[1] / 2) < 2  # in the middle of silence
    assert np.abs(np.diff(found[0, short])).mean() == pytest.approx(
        np.abs(np.diff(tone(seconds=0.2))).mean(), rel=0.01
    )
    same = np.corrcoef(found[2], found[0])[0, 1]
    assert same > 0.95  # the same tone at twice the rate
    assert "(4 at 8,000 Hz, 1 at 16,000 Hz): all sounds were brought to 8,000 Hz" in data.notes[0]
    assert data.notes[1].startswith("Of 1 longer sounds the middle ")


def test_validation_sounds_take_the_form_of_the_training_sounds():
    labels = Labels.of([0, 1])
    one = AudioData.of_waves([tone()] * 2, 8000, labels)
    other = AudioData.of_waves([tone(rate=16000, seconds=0.5)] * 2, 16000, labels)
    assert other.like(one).waves().shape == one.waves().shape


def test_broken_empty_and_silent_sounds_are_faults(tmp_path):
    root = write_folder(tmp_path / "tones")
    (root / "low" / "broken.wav").write_bytes(b"RIFF nothing else")
    (root / "low" / "void.wav").write_bytes(b"")
    write(root / "high" / "silence.wav", np.zeros(800))
    (root / "low" / "zeros.wav").write_bytes(bytes(100))
    usable, aside = split_usable(open_data(root, trainable=False))
    found = {aside.files[row].rpartition("/")[2]: fault for row, fault in aside.faults.items()}
    assert {name: fault.kind for name, fault in found.items()} == {
        "broken.wav": "unreadable",
        "zeros.wav": "unreadable",
        "void.wav": "empty",
        "silence.wav": "empty",
    }
    assert found["silence.wav"].reason == "silence"
    assert len(usable) == 12


def test_silence_that_is_a_class_stays():
    quiet = np.zeros(800, np.float32)
    waves = [tone(seed=n) for n in range(4)] + [quiet] * 3
    data = AudioData.of_waves(waves, 8000, Labels.of([0] * 4 + [1] * 3))
    assert not data.examined().faults


def test_what_examination_decoded_is_given_once(tmp_path):
    data = open_data(write_folder(tmp_path / "tones", each=2)).examined()
    first = data.waves()
    np.testing.assert_allclose(first, data.waves(), atol=1e-6)
    part = open_data(tmp_path / "tones").examined().take(np.asarray([2, 0]))
    np.testing.assert_array_equal(part.waves(), first[[2, 0]])


def test_what_a_person_sees_and_hears(tmp_path):
    data = open_data(write_folder(tmp_path / "tones", each=2))
    shown = data.show(0)
    assert shown["image"].dtype == np.uint8
    assert shown["image"].ndim == 3
    assert (shown["seconds"], shown["sampling_rate"]) == (0.2, 8000)
    played, rate = read_wave(data.play(0))
    assert rate == 8000
    np.testing.assert_allclose(played, data.wave(0, 8000), atol=1e-4)
    (tmp_path / "tones" / "high" / "001.wav").unlink()
    assert data.show(0)["problem"]


def test_sounds_that_need_another_reader_say_which(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.flac").write_bytes(b"fLaC")
    monkeypatch.setitem(sys.modules, "soundfile", None)
    monkeypatch.setattr("chaffinch.data.folder.has_soundfile", lambda: False)
    monkeypatch.setattr("chaffinch.data.sound_file.has_soundfile", lambda: False)
    with pytest.raises(MissingExtraError, match=r"pip install 'chaffinch\[audio\]'"):
        open_data(tmp_path)
    write_folder(tmp_path, each=2)
    assert "Install chaffinch[audio] to read FLAC" in open_data(tmp_path).notes[0]


def test_endings_that_nobody_reads_are_named(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.wma").write_bytes(b"x")
    monkeypatch.setattr("chaffinch.data.folder.has_soundfile", lambda: True)
    with pytest.raises(InputError, match=r"none that can be read here: 1 \.wma"):
        open_data(tmp_path)


@pytest.mark.parametrize(
    ("waves", "rate", "message"),
    [
        ([tone()] * 3, 8000, "as many sounds as labels"),
        ([tone()] * 2, 0, "whole numbers above 0"),
        ([tone()] * 2, [8000], "one for each of 2 sounds"),
        ([np.zeros((2, 2, 2))] * 2, 8000, r"of shape \(2, 2, 2\) as sample 0"),
        ([np.full(10, np.nan)] * 2, 8000, "samples that are NaN or infinite"),
        (["a", "b"], 8000, "waveforms of numbers"),
    ],
)
def test_unusable_waveforms_are_refused(waves, rate, message):
    with pytest.raises(InputError, match=message):
        AudioData.of_waves(waves, rate, Labels.of([0, 1]))


def test_centred_waves_lose_or_gain_both_ends_alike():
    np.testing.assert_array_equal(centred(np.arange(5.0), 3), [1, 2, 3])
    np.testing.assert_array_equal(centred(np.arange(1, 4.0), 6), [0, 1, 2, 3, 0, 0])
    assert len(wav_of(np.full(10, 2.0, np.float32), 100)) == 44 + 20
