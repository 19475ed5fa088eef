"""Made sounds: short tones as arrays and as files."""

from pathlib import Path

import numpy as np
from scipy.io import wavfile


def tone(hertz=440.0, rate=8000, seconds=0.2, seed=0):
    """(T,) float32 of a sine with a little noise."""
    time = np.arange(round(rate * seconds)) / rate
    noise = np.random.default_rng(seed).normal(0, 0.05, len(time))
    return (0.4 * np.sin(2 * np.pi * hertz * time) + noise).astype(np.float32)


def write(place: Path, wave, rate=8000):
    """Write (T,) or (T, channels) samples in -1..1 as 16 bits."""
    place.parent.mkdir(parents=True, exist_ok=True)
    wavfile.write(place, rate, np.rint(wave * 32767).astype(np.int16))
    return place


def write_folder(root: Path, each=6, wrong=(), seconds=0.2):
    """``root/high`` and ``root/low`` with so many tones each; those ``wrong`` lie in the other."""
    for number in range(2 * each):
        high = bool(number % 2)
        name = "high" if high != (number in wrong) else "low"
        wave = tone(1500 if high else 300, seconds=seconds, seed=number)
        write(root / name / f"{number:03d}.wav", wave)
    return root
