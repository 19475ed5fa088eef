"""What sounds have in common, told without decoding them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chaffinch.core.errors import InputError
from chaffinch.core.fault import Fault
from chaffinch.core.identity import digest
from chaffinch.core.kinds import EMPTY, UNREADABLE
from chaffinch.core.labels import Labels
from chaffinch.core.progress import track
from chaffinch.data.image_survey import reason_of, size_of
from chaffinch.data.sound_file import UNREADABLE as DECODING_ERRORS
from chaffinch.data.sound_file import EncodedSound, SoundHeader, Wave, read_header

HIGHEST_RATE = 16_000
"""The default network hears what lies below half of this; encoders get the rate they want."""

LONGEST = 10.0
"""Seconds that the default network hears of a sound at most."""

Sound = EncodedSound | tuple[Wave, int]
"""A sound file, or samples in -1..1 and their rate in Hz."""

Held = tuple[tuple[Sound, ...], tuple[SoundHeader | None, ...], tuple[str, ...]]
"""Sounds, their headers, None where they cannot be read, and their digests."""

_OUTLYING = 2.0
_MOST_CHANNELS = 8


def read_headers(
    files: Sequence[EncodedSound],
) -> tuple[tuple[SoundHeader | None, ...], dict[int, Fault]]:
    """Header of each file, None where it has none, and what is wrong with those, by position."""
    headers: list[SoundHeader | None] = []
    broken: dict[int, Fault] = {}
    with track("reading sounds", len(files)) as advance:
        for row, file in enumerate(files):
            header = None
            try:
                if not size_of(file):
                    broken[row] = Fault(EMPTY, "no content")
                else:
                    header = read_header(file)
                    if not header.frames:
                        broken[row] = Fault(EMPTY, "no samples")
            except DECODING_ERRORS as error:
                broken[row] = Fault(UNREADABLE, reason_of(error))
            headers.append(header if row not in broken else None)
            advance()
    return tuple(headers), broken


def read_waves(
    waves: Sequence[Any], rates: Sequence[int], source: str
) -> tuple[Held, dict[int, Fault]]:
    """Waveforms with their rates, and what is wrong with them, by position.

    Raises:
        InputError: An array that is no waveform.
    """
    store: list[Sound] = []
    headers: list[SoundHeader | None] = []
    digests: list[str] = []
    faults: dict[int, Fault] = {}
    for row, (wave, rate) in enumerate(zip(waves, rates, strict=True)):
        samples = mono(wave, row, source)
        if not len(samples):
            faults[row] = Fault(EMPTY, "no samples")
        elif not np.isfinite(samples).all():
            faults[row] = Fault(UNREADABLE, "samples that are NaN or infinite")
        store.append((samples, int(rate)))
        headers.append(None if row in faults else SoundHeader(int(rate), len(samples)))
        digests.append(digest(str(int(rate)).encode(), samples.tobytes()))
    return (tuple(store), tuple(headers), tuple(digests)), faults


def common_rate(headers: Sequence[SoundHeader]) -> int:
    """The commonest rate in Hz, at most 16 kHz."""
    counts = Counter(header.rate for header in headers)
    commonest = max(counts, key=lambda rate: (counts[rate], rate), default=HIGHEST_RATE)
    return min(commonest, HIGHEST_RATE)


def common_seconds(headers: Sequence[SoundHeader]) -> float:
    """The longest length, or the 95th percentile if it is far from the median; at most 10 s."""
    lengths = np.asarray([header.seconds for header in headers] or [1.0])
    longest = float(lengths.max())
    if longest > _OUTLYING * float(np.median(lengths)):
        longest = float(np.quantile(lengths, 0.95))
    return min(LONGEST, longest)


def notes_on(headers: Sequence[SoundHeader], rate: int, seconds: float) -> tuple[str, ...]:
    """Sentences on what is changed when sounds become waves of one rate and length."""
    notes = []
    rates = Counter(header.rate for header in headers)
    if len(rates) > 1:
        listed = ", ".join(f"{count:,} at {own:,} Hz" for own, count in rates.most_common(5))
        notes.append(f"Sampling rates differ ({listed}): all sounds were brought to {rate:,} Hz.")
    mixed = sum(header.channels > 1 for header in headers)
    if mixed:
        notes.append(f"{mixed:,} sounds of several channels were mixed to one.")
    cut = sum(header.seconds > seconds * 1.001 for header in headers)
    if cut:
        notes.append(f"Of {cut:,} longer sounds the middle {seconds:.3g} s were used.")
    return tuple(notes)


def mono(wave: Any, row: int, source: str) -> Wave:
    """(T,) samples of one waveform, see `AudioData.of_waves`.

    Raises:
        InputError: No waveform.
    """
    try:
        samples = np.asarray(wave)
    except (TypeError, ValueError):
        samples = np.empty(0, object)
    if samples.dtype.kind not in "fiu" or samples.ndim not in (1, 2):
        raise InputError(
            f"waveforms of numbers (T,) or (T, channels) in {source}",
            f"{samples.dtype} of shape {samples.shape} as sample {row}",
            "Pass one array a sound",
        )
    if samples.dtype.kind == "u":
        samples = samples.astype(np.float32) / (np.iinfo(samples.dtype).max / 2) - 1
    elif samples.dtype.kind == "i":
        samples = samples / np.float32(np.iinfo(samples.dtype).max)
    if samples.ndim == 2:
        across = 0 if samples.shape[0] <= _MOST_CHANNELS < samples.shape[1] else 1
        samples = samples.mean(axis=across)
    return np.ascontiguousarray(samples, np.float32)


def check_rates(rates: Sequence[Any], count: int, source: str) -> None:
    """Refuse what is no sampling rate in Hz for each of so many sounds.

    Raises:
        InputError: Another number of rates, or one that is no whole number above 0.
    """
    whole = all(isinstance(one, int | np.integer) and one > 0 for one in rates)
    if len(rates) != count or not whole:
        raise InputError(
            f"one sampling rate in Hz for all, or one for each of {count} sounds in {source}",
            f"{rates[:3]}",
            "Pass whole numbers above 0",
        )


def unreadable(faults: Mapping[int, Fault], store: Sequence[Sound], source: str) -> InputError:
    """The error for sounds that cannot be read, by position, of which the first is named."""
    row, fault = next(iter(faults.items()))
    name = repr(str(store[row])) if isinstance(store[row], Path) else f"row {row}"
    several = f"{len(faults)} that cannot be read, the first " if len(faults) > 1 else ""
    got = f"{several}{name} ({fault.reason})"
    return InputError(f"readable sounds in {source}", got, "Remove or replace it")


def check_length(length: int, labels: Labels, source: str) -> None:
    """Refuse more or fewer sounds than labels.

    Raises:
        InputError: They differ.
    """
    if length != len(labels):
        raise InputError(
            f"as many sounds as labels ({len(labels)}) in {source}",
            f"{length} sounds",
            "Pass sounds and labels of the same samples",
        )
