"""What sounds are like: length, rate, loudness, clipping; each decoded once."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chaffinch.core.errors import InputError
from chaffinch.core.fault import Fault
from chaffinch.core.kinds import UNREADABLE
from chaffinch.core.progress import track
from chaffinch.core.types import Floats
from chaffinch.data.audio import AudioData
from chaffinch.data.sound_file import Wave, centred
from chaffinch.data.spectrogram import log_mel, resampled

FIELDS = ("seconds", "rate", "loudness", "clipped")
"""What is measured of each sound, in the order of the columns."""

FAINTEST = -120.0
"""Decibels of digital silence."""

_BANDS, _SPANS = 10, 16
_RUN = 3
_NEAR = 1e-4


@dataclass(frozen=True, eq=False)
class SoundProperties:
    """Properties of N sounds.

    Attributes:
        values: (N, 4) the `FIELDS`; NaN where a sound cannot be decoded. ``loudness`` is the root
            mean square in decibels below full scale, ``clipped`` as `clipped_share`.
        vectors: (N, 160) float32 spectrograms of 10 bands and 16 spans of time without their mean,
            of length 1; zero where there is none.
        faults: Why sounds cannot be decoded, by position.
    """

    values: NDArray[np.float64]
    vectors: Floats
    faults: Mapping[int, Fault]

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """(N,) one of the `FIELDS`."""
        return self.values[:, FIELDS.index(name)]


def measure_sounds(parts: Sequence[AudioData]) -> SoundProperties:
    """Decode and measure the sounds of all parts.

    Args:
        parts: The sounds; those with a fault are left out.
    """
    count = sum(map(len, parts))
    values = np.full((count, len(FIELDS)), np.nan)
    vectors = np.zeros((count, _BANDS * _SPANS), np.float32)
    faults: dict[int, Fault] = {}
    place = 0
    with track("measuring sounds", count) as advance:
        for part in parts:
            length = max(1, round(parts[0].seconds * parts[0].rate))
            for row, name in enumerate(map(str, part.ids)):
                header = part.headers[row]
                if name not in part.faults and header is not None:
                    try:
                        wave = part.wave(row, header.rate)
                    except InputError as error:
                        faults[place] = Fault(UNREADABLE, error.got)
                    else:
                        told = (loudness(wave), clipped_share(wave))
                        values[place] = (header.seconds, header.rate, *told)
                        heard = centred(resampled(wave, header.rate, parts[0].rate), length)
                        vectors[place] = _vector(heard, parts[0].rate)
                place += 1
                advance()
    return SoundProperties(values, vectors, faults)


def loudness(wave: Wave) -> float:
    """Root mean square of (T,) samples in decibels, 0 for full scale, at least -120."""
    power = float(np.mean(np.square(wave, dtype=np.float64))) if len(wave) else 0.0
    return max(FAINTEST, 10 * math.log10(max(power, 1e-30)))


def clipped_share(wave: Wave) -> float:
    """Share of (T,) samples in runs of three or more that all lie at the peak of the sound."""
    peak = float(np.abs(wave).max(initial=0))
    if not peak:
        return 0.0
    found = np.zeros(len(wave), np.bool_)
    for side in (wave, -wave):
        top = np.concatenate([[False], side >= peak * (1 - _NEAR), [False]])
        edges = np.flatnonzero(top[1:] != top[:-1]).reshape(-1, 2)
        for start, end in edges[np.diff(edges, axis=1)[:, 0] >= _RUN]:
            found[start:end] = True
    return float(found.mean())


def _vector(wave: Wave, rate: int) -> Floats:
    spectrogram = log_mel(wave, rate)
    bands = np.array_split(np.arange(len(spectrogram)), _BANDS)
    spans = np.array_split(np.arange(spectrogram.shape[1]), _SPANS)
    small = np.asarray(
        [
            spectrogram[np.ix_(band, span)].mean() if len(band) and len(span) else 0.0
            for band in bands
            for span in spans
        ],
        np.float32,
    )
    small -= small.mean()
    norm = float(np.linalg.norm(small))
    # Of silence nothing is left that could be compared.
    return small / norm if norm > 1e-3 else np.zeros_like(small)
