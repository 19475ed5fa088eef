"""Sound files: their length without decoding them, and their samples as one channel."""

import importlib.util
import io
import os
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile

from chaffinch.core.errors import MissingExtraError

EncodedSound = Path | bytes
"""A sound file, on disk or in memory."""

Wave = NDArray[np.float32]
"""Samples in -1..1."""

SOUND_SUFFIXES = frozenset(
    (
        *(".aac", ".aif", ".aifc", ".aiff", ".amr", ".au", ".caf", ".flac", ".m4a", ".mp3"),
        *(".oga", ".ogg", ".opus", ".rf64", ".snd", ".w64", ".wav", ".wave", ".wma"),
    )
)
"""Endings of sound files, whether or not they can be read here."""

UNREADABLE = (
    OSError,
    ValueError,
    EOFError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
    struct.error,
)
"""What the readers raise on a file that is no sound or a damaged one."""

_WAV = frozenset((".wav", ".wave"))
_FORMATS = {
    **dict.fromkeys((".aif", ".aifc", ".aiff"), "AIFF"),
    **dict.fromkeys((".au", ".snd"), "AU"),
    **dict.fromkeys((".oga", ".ogg", ".opus"), "OGG"),
    **{".caf": "CAF", ".flac": "FLAC", ".mp3": "MP3", ".rf64": "RF64", ".w64": "W64"},
}


@dataclass(frozen=True)
class SoundHeader:
    """What is known of a sound without decoding it.

    Attributes:
        rate: Sampling rate in Hz.
        frames: Samples of each channel.
        channels: How many there are.
    """

    rate: int
    frames: int
    channels: int = 1

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.frames / self.rate


_MAGIC = (b"RIFF", b"RF64", b"fLaC", b"OggS", b"ID3", b"FORM", b".snd", b"caff", b"\xff\xfb")


def is_sound(path: Path) -> bool:
    """Whether a file is a sound by its ending, readable here or not."""
    return path.suffix.lower() in SOUND_SUFFIXES


def holds_sound(encoded: EncodedSound) -> bool:
    """Whether a file is a sound, by its first bytes in memory and by its ending on disk."""
    if isinstance(encoded, Path):
        return is_sound(encoded)
    if encoded[:4] == b"RIFF":  # WebP images begin like this too
        return encoded[8:12] == b"WAVE"
    return encoded.startswith(_MAGIC)


def readable_sounds() -> frozenset[str]:
    """Endings of sounds that can be read here; WAV alone where soundfile is not installed."""
    library = _soundfile()
    if library is None:
        return _WAV
    known = library.available_formats()
    return _WAV | {suffix for suffix, name in _FORMATS.items() if name in known}


def missing_reader() -> MissingExtraError:
    """The error for sounds that only soundfile reads, where it is not installed."""
    return MissingExtraError("reading sounds other than WAV", "audio", "soundfile")


def read_header(encoded: EncodedSound) -> SoundHeader:
    """Read rate, length and channels of a sound file; raises one of `UNREADABLE`."""
    library = _soundfile()
    with _opened(encoded) as file:
        if library is not None:
            told = library.info(file)
            return _checked(SoundHeader(int(told.samplerate), int(told.frames), int(told.channels)))
        rate, samples = _read_wav(file)
    return _checked(SoundHeader(rate, len(samples), samples.shape[1]))


def read_wave(encoded: EncodedSound, seconds: float | None = None) -> tuple[Wave, int]:
    """Decode a sound file; raises one of `UNREADABLE`.

    Args:
        encoded: The file.
        seconds: Of a longer sound only so much of its middle is decoded; None for all.

    Returns:
        (T,) samples in -1..1, the mean of all channels, and their rate in Hz.
    """
    library = _soundfile()
    with _opened(encoded) as file:
        if library is None:
            rate, samples = _read_wav(file)
            samples = middle_of(samples, seconds, rate)
        else:
            with library.SoundFile(file) as sound:
                rate, wanted = int(sound.samplerate), -1
                if seconds is not None and sound.frames > round(seconds * rate):
                    wanted = round(seconds * rate)
                    sound.seek((sound.frames - wanted) // 2)
                samples = sound.read(wanted, dtype="float32", always_2d=True)
    wave: Wave = samples.mean(axis=1, dtype=np.float32)
    if not np.isfinite(wave).all():
        raise ValueError("samples that are NaN or infinite")
    return wave, rate


def middle_of(samples: NDArray[Any], seconds: float | None, rate: int) -> NDArray[Any]:
    """So many seconds of the middle, or all where there are no more."""
    if seconds is None or len(samples) <= round(seconds * rate):
        return samples
    wanted = round(seconds * rate)
    start = (len(samples) - wanted) // 2
    return samples[start : start + wanted]


def centred(wave: Wave, length: int) -> Wave:
    """(length,) a wave in the middle of zeros; one that is longer loses both ends alike."""
    extra = length - len(wave)
    if extra < 0:
        return wave[-extra // 2 :][:length]
    return np.pad(wave, (extra // 2, extra - extra // 2))


def wav_of(wave: Wave, rate: int) -> bytes:
    """(T,) samples as a WAV file of 16 bits; what is louder than full scale is clipped."""
    buffer = io.BytesIO()
    wavfile.write(buffer, rate, np.rint(np.clip(wave, -1, 1) * 32767).astype(np.int16))
    return buffer.getvalue()


def has_soundfile() -> bool:
    """Whether soundfile is installed, which reads FLAC, Ogg and MP3."""
    return importlib.util.find_spec("soundfile") is not None


def _soundfile() -> Any:
    if not has_soundfile():
        return None
    import soundfile

    return soundfile


@contextmanager
def _opened(encoded: EncodedSound) -> Iterator[Any]:
    if isinstance(encoded, bytes):
        yield io.BytesIO(encoded)
        return
    if not encoded.is_file():
        raise ValueError("no such file")
    with encoded.open("rb") as file:
        yield file


def _read_wav(file: Any) -> tuple[int, NDArray[np.float32]]:
    """Rate and (T, channels) samples in -1..1 of a WAV file."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size < 12:
        raise ValueError("too short for a WAV file")
    with warnings.catch_warnings(action="ignore"):  # of chunks that hold no samples
        rate, samples = wavfile.read(file)
    if samples.dtype.kind == "u":
        scaled = (samples.astype(np.float32) - 128) / 128
    elif samples.dtype.kind == "i":
        scaled = samples.astype(np.float32) / float(np.iinfo(samples.dtype).max + 1)
    else:
        scaled = samples.astype(np.float32)
    return int(rate), scaled if scaled.ndim == 2 else scaled[:, None]


def _checked(header: SoundHeader) -> SoundHeader:
    if header.rate < 1:
        raise ValueError(f"a sampling rate of {header.rate} Hz")
    return header
