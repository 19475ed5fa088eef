import numpy as np
import pytest
from sounds import tone

from chaffinch.data.spectrogram import log_mel, mel_filters, picture_of, resampled, window_of


def log_mel_slowly(wave, rate):
    """The same by loops, in float64."""
    size, hop = window_of(rate)
    points = 1
    while points < size:
        points *= 2
    bands = min(40, points // 6)
    hann = [0.5 - 0.5 * np.cos(2 * np.pi * n / size) for n in range(size)]
    mel = np.linspace(0, 2595 * np.log10(1 + rate / 1400), bands + 2)
    edges = [700 * (10 ** (one / 2595) - 1) for one in mel]
    columns = []
    for begin in range(0, len(wave) + 1, hop):
        if begin // hop > len(wave) // hop:
            break
        frame = []
        for n in range(size):
            place = begin + n - size // 2
            frame.append(float(wave[place]) * hann[n] if 0 <= place < len(wave) else 0.0)
        column = np.zeros(bands)
        for k in range(points // 2 + 1):
            turn = np.exp(-2j * np.pi * k * np.arange(size) / points)
            power = abs(np.sum(np.asarray(frame) * turn)) ** 2
            hertz = k * rate / points
            for band in range(bands):
                low, centre, high = edges[band : band + 3]
                weight = min((hertz - low) / (centre - low), (high - hertz) / (high - centre))
                column[band] += max(weight, 0) * power
        columns.append(column)
    energy = np.asarray(columns).T
    return np.log(np.maximum(energy, energy.max() * 1e-8))


@pytest.mark.parametrize("rate", [2000, 8000])
def test_log_mel_is_that_of_the_slow_twin(rate):
    wave = tone(300, rate, 0.06)
    np.testing.assert_allclose(log_mel(wave, rate), log_mel_slowly(wave, rate), atol=2e-3)


def test_a_tone_is_loudest_in_its_own_band():
    peaks = [log_mel(tone(hertz, 16000, 0.3), 16000).mean(axis=1).argmax() for hertz in (300, 3000)]
    assert peaks[0] < 10 < 20 < peaks[1]


def test_long_sounds_have_no_more_frames_and_the_mean_power():
    long, short = tone(440, 8000, 10), tone(440, 8000, 1)
    found = log_mel(long, 8000)
    assert found.shape[0] == 40
    assert 128 <= found.shape[1] <= 256
    assert found.max() == pytest.approx(log_mel(short, 8000).max(), abs=0.3)


def test_silence_and_single_samples_have_a_spectrogram():
    assert np.isfinite(log_mel(np.zeros(1000, np.float32), 8000)).all()
    assert log_mel(np.ones(1, np.float32), 8000).shape[1] == 1


@pytest.mark.parametrize("points", [64, 256, 512])
def test_every_band_has_a_bin(points):
    assert (mel_filters(points, 16000).sum(axis=0) > 0).all()


def test_pictures_have_low_notes_below_and_loud_parts_dark():
    spectrogram = np.zeros((40, 100), np.float32)
    spectrogram[0, :] = 5  # the lowest band is loud
    picture = picture_of(spectrogram)
    assert picture.shape == (120, 100, 3)
    assert picture[-1].max() == 0
    assert picture[0].min() == 255
    assert picture_of(np.zeros((40, 3), np.float32)).min() == 255


def test_resampling_keeps_tones_and_drops_what_would_alias():
    low = resampled(tone(300, 16000, 0.5, seed=1), 16000, 8000)
    assert len(low) == 4000
    assert np.corrcoef(low, tone(300, 8000, 0.5, seed=2))[0, 1] > 0.97
    high = np.sin(2 * np.pi * 6000 * np.arange(8000) / 16000).astype(np.float32)
    assert np.abs(resampled(high, 16000, 8000)[100:-100]).max() < 0.05
