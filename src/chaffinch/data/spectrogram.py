"""Log-mel spectrograms of sounds, for models and for people."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.signal import get_window, resample_poly

MOST_BANDS = 40
MOST_FRAMES = 256
_WINDOW_SECONDS, _HOP_SECONDS = 0.025, 0.010
_LEAST_WINDOW, _LEAST_HOP = 64, 24
_RANGE = 8 * np.log(10)  # 80 dB: what is softer than the loudest by more counts as silence
_FAINTEST = 1e-10
_PICTURE_HEIGHT = 120

Spectrogram = NDArray[np.float32]
"""(bands, frames) natural logarithms of power."""


def log_mel(wave: NDArray[np.float32], rate: int) -> Spectrogram:
    """The logarithm of the power in bands of equal width on the mel scale (Stevens et al., 1937).

    Hann windows of 25 ms every 10 ms, centred, with zeros beyond the ends; of long sounds the power
    of neighbouring frames is averaged. Nothing is lower than 80 dB below the sound's own peak.

    Args:
        wave: (T,) samples, T >= 1.
        rate: Sampling rate in Hz.

    Returns:
        (bands, frames), bands from low to high: 40, or fewer at low rates; at most 256 frames.
    """
    size, hop = window_of(rate)
    points = 1 << (size - 1).bit_length()
    count = 1 + len(wave) // hop
    padded = np.zeros((count - 1) * hop + size, np.float32)
    padded[size // 2 :][: len(wave)] = wave[: len(padded) - size // 2]
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    window = get_window("hann", size).astype(np.float32)
    power = np.abs(fft.rfft(frames * window, points, axis=1)) ** 2
    energy = power @ mel_filters(points, rate)
    group = -(-count // MOST_FRAMES)
    if group > 1:
        starts = np.arange(0, count, group)
        sizes = np.minimum(group, count - starts)
        energy = np.add.reduceat(energy, starts, axis=0) / sizes[:, None]
    floor = max(_FAINTEST, float(energy.max()) * np.exp(-_RANGE))
    made: Spectrogram = np.log(np.maximum(energy, floor)).T.astype(np.float32)
    return made


def window_of(rate: int) -> tuple[int, int]:
    """Samples in a window, and from one to the next."""
    return max(round(_WINDOW_SECONDS * rate), _LEAST_WINDOW), max(
        round(_HOP_SECONDS * rate), _LEAST_HOP
    )


@lru_cache(16)
def mel_filters(points: int, rate: int) -> NDArray[np.float32]:
    """(points // 2 + 1, bands) triangles that overlap by half, evenly spaced in mel from 0 Hz.

    Args:
        points: Of the Fourier transform.
        rate: Sampling rate in Hz.
    """
    bands = min(MOST_BANDS, points // 6)
    top = 2595 * np.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, bands + 2) / 2595) - 1)
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    bins = np.arange(points // 2 + 1)[:, None] * rate / points
    rising, falling = (bins - low) / (centre - low), (high - bins) / (high - centre)
    made: NDArray[np.float32] = np.clip(np.minimum(rising, falling), 0, None).astype(np.float32)
    return made


def picture_of(spectrogram: Spectrogram) -> NDArray[np.uint8]:
    """A spectrogram as people read it: time to the right, pitch upwards, loud parts dark.

    Returns:
        (H, W, 3) uint8.
    """
    low, high = float(spectrogram.min()), float(spectrogram.max())
    low += (high - low) / 5  # below, little but noise is seen
    shade = 255 * (1 - np.clip((spectrogram - low) / max(high - low, 1e-6), 0, 1))
    tall = max(1, round(_PICTURE_HEIGHT / len(shade)))
    wide = max(1, min(tall, round(_PICTURE_HEIGHT / shade.shape[1])))
    upright = np.repeat(np.repeat(shade[::-1], tall, axis=0), wide, axis=1)
    return np.repeat(np.rint(upright).astype(np.uint8)[..., None], 3, axis=2)


def resampled(wave: NDArray[np.float32], rate: int, wanted: int) -> NDArray[np.float32]:
    """(T,) samples at another rate, through a polyphase filter that keeps aliases out."""
    if rate == wanted or not len(wave):
        return wave
    common = int(np.gcd(rate, wanted))
    made: NDArray[np.float32] = resample_poly(wave, wanted // common, rate // common)
    return made.astype(np.float32, copy=False)
