"""Sounds and series as encoders take them."""

import numpy as np
import pytest
import torch
from sounds import tone, write_folder

import chaffinch as cf
from chaffinch.core.errors import InputError
from chaffinch.data.spectrogram import resampled


def test_sound_files_reach_a_model_at_its_own_rate(sound_folder, tmp_path):
    root = write_folder(tmp_path / "tones", each=2)
    found = cf.encode(root, sound_folder)
    data = cf.open_data(root)
    waves = np.stack([data.wave(row, 16000) for row in range(4)])
    assert waves.shape == (4, 3200)
    np.testing.assert_allclose(found, cf.encode(waves, sound_folder), atol=1e-4)
    direct = resampled(data.wave(0, 8000), 8000, 16000)
    np.testing.assert_array_equal(waves[0], direct)


def test_sounds_of_different_lengths_reach_a_model_whole(sound_folder):
    waves = [tone(seconds=0.1, rate=16000), tone(seconds=0.4, rate=16000, seed=1)] * 2
    data = {"audio": waves, "label": [0, 1] * 2, "rate": 16000}
    found = cf.encode(data, sound_folder)
    assert found.shape == (4, 16)
    np.testing.assert_array_equal(found[:2], found[2:])


def test_functions_are_given_sounds_of_one_length_at_the_rate_they_ask_for(tmp_path):
    root, seen = write_folder(tmp_path / "tones", each=3), []

    def describe(batch):
        seen.append(batch)
        return batch.abs().mean(1, keepdim=True)

    plain = cf.encode(root, describe)
    assert plain.shape == (6, 1)
    assert seen[0].shape == (6, 1600)
    assert seen[0].dtype == torch.float32
    describe.sampling_rate = 4000
    cf.encode(root, describe)
    assert seen[1].shape == (6, 800)


def test_functions_are_given_series_by_channel():
    series = [np.arange(5.0 + n)[:, None] * [1, -1] for n in range(4)]
    found = cf.encode((series, [0, 1] * 2), lambda batch: batch.sum(2))
    np.testing.assert_allclose(found, [[10, -10], [15, -15], [21, -21], [28, -28]])


def test_a_scan_trains_heads_on_encoded_sounds(sound_folder, tmp_path):
    root = write_folder(tmp_path / "tones", each=10, seconds=0.1)
    run = cf.scan(root, encoder=str(sound_folder), epochs=2, folds=2, scorers=["aum"])
    assert run.table.source.iloc[0] == "high/001.wav"


def test_models_of_other_media_refuse_sounds(image_folder, tmp_path):
    root = write_folder(tmp_path / "tones", each=2)
    with pytest.raises(InputError, match="images for the vit model; got data of modality 'audio'"):
        cf.encode(root, image_folder)
