"""Sounds: files that are decoded when their samples are asked for, or waveforms in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self, final

import numpy as np
from numpy.typing import NDArray

from chaffinch.core.errors import InputError
from chaffinch.core.fault import Fault
from chaffinch.core.identity import fingerprint, ids_from_digests
from chaffinch.core.kinds import EMPTY, UNREADABLE
from chaffinch.core.labels import Labels
from chaffinch.core.progress import track
from chaffinch.core.sample_groups import SampleGroups
from chaffinch.core.types import Modality, Strings
from chaffinch.data import sound_survey
from chaffinch.data.image_file import content_digest
from chaffinch.data.image_survey import reason_of
from chaffinch.data.sound_file import UNREADABLE as DECODING_ERRORS
from chaffinch.data.sound_file import (
    EncodedSound,
    SoundHeader,
    Wave,
    centred,
    middle_of,
    read_wave,
    wav_of,
)
from chaffinch.data.sound_survey import Held, Sound
from chaffinch.data.spectrogram import log_mel, picture_of, resampled

MOST_SECONDS = 600.0
"""Of a longer recording only so much of its middle is decoded."""

_PLAYED = 30.0
_KEPT = 1 << 27  # numbers of decoded sounds that are kept in memory


@final
@dataclass(frozen=True, eq=False)
class AudioData:
    """N labelled sounds. Build it with `of_files` or `of_waves`, which check.

    Attributes:
        ids: (N,) unique ids.
        labels: The given labels.
        digests: (N,) hash of each sound: of the bytes of a file, of samples and rate otherwise.
        source: Where the sounds came from, for people.
        store: (N,) files on disk or in memory, or samples with their rate.
        headers: (N,) rate, length and channels of each; None where they cannot be read.
        rate: Sampling rate in Hz that `waves` gives: the commonest one, at most 16 kHz.
        seconds: Length that `waves` gives: the longest, unless it is far from the median; at most
            10 s. Parts made by `take` keep both.
        faults: Why sounds cannot be used, by id; `examined` finds those that do not decode.
        notes: What the reader should know, such as which sounds were cut.
        groups: Source, annotator or time slice of each sample, where a column was named.
    """

    ids: Strings
    labels: Labels
    digests: tuple[str, ...]
    source: str
    store: tuple[Sound, ...]
    headers: tuple[SoundHeader | None, ...]
    rate: int
    seconds: float
    faults: Mapping[str, Fault] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    groups: SampleGroups | None = None
    _decoded: list[NDArray[np.float32]] = field(default_factory=list, repr=False)

    modality: ClassVar[Modality] = "audio"

    @classmethod
    def of_files(
        cls,
        files: Sequence[EncodedSound],
        labels: Labels,
        *,
        ids: Strings | None = None,
        source: str = "sound files",
    ) -> "AudioData":
        """Check sound files and name them; they are decoded later.

        Args:
            files: N paths, or the content of N files; no content stands for no sound.
            labels: The given labels.
            ids: (N,) unique ids; by default they are made from the content.
            source: Where the sounds came from, for people.

        Raises:
            InputError: No file that can be read, or more or fewer files than labels.
        """
        sound_survey.check_length(len(files), labels, source)
        headers, faults = sound_survey.read_headers(files)
        digests = tuple(content_digest(file) for file in files)
        return cls._of((tuple(files), headers, digests), labels, ids, source, faults)

    @classmethod
    def of_waves(
        cls,
        waves: Sequence[Any],
        rate: int | Sequence[int],
        labels: Labels,
        *,
        ids: Strings | None = None,
        source: str = "sounds in memory",
    ) -> "AudioData":
        """Check waveforms and name them.

        Args:
            waves: N arrays (T,), or (T, channels) or (channels, T) with at most 8 channels, which
                are mixed. Whole numbers are divided by the largest of their type.
            rate: Sampling rate in Hz, of all or of each.
            labels: The given labels.
            ids: (N,) unique ids; by default they are made from the content.
            source: Where the sounds came from, for people.

        Raises:
            InputError: No sound that can be used, arrays of another form, a rate that is none, or
                more or fewer sounds than labels.
        """
        sound_survey.check_length(len(waves), labels, source)
        rates = [rate] * len(waves) if isinstance(rate, int | np.integer) else list(rate)
        sound_survey.check_rates(rates, len(waves), source)
        held, faults = sound_survey.read_waves(waves, rates, source)
        return cls._of(held, labels, ids, source, faults)

    @classmethod
    def _of(
        cls,
        held: Held,
        labels: Labels,
        ids: Strings | None,
        source: str,
        faults: Mapping[int, Fault],
    ) -> "AudioData":
        store, headers, digests = held
        if store and len(faults) == len(store):
            raise sound_survey.unreadable(faults, store, source)
        named = ids_from_digests(digests) if ids is None else ids
        by_id = {str(named[row]): fault for row, fault in faults.items()}
        known = [header for header in headers if header is not None]
        rate, seconds = sound_survey.common_rate(known), sound_survey.common_seconds(known)
        notes = sound_survey.notes_on(known, rate, seconds)
        return cls(named, labels, digests, source, store, headers, rate, seconds, by_id, notes)

    @cached_property
    def fingerprint(self) -> str:
        """Hash of ids, contents and labels of the whole set, whatever the order."""
        return fingerprint(self.ids, self.digests, self.labels.values)

    @property
    def files(self) -> tuple[str, ...] | None:
        """(N,) paths of the sounds; None where they do not come from files on disk."""
        paths = tuple(str(file) for file in self.store if isinstance(file, Path))
        return paths if len(paths) == len(self) else None

    def __len__(self) -> int:
        return len(self.ids)

    def wave(self, position: int, rate: int, seconds: float | None = None) -> Wave:
        """One sound at a rate; of a longer one only so many seconds of its middle.

        Returns:
            (T,) samples in -1..1.

        Raises:
            InputError: A damaged file.
        """
        stored = self.store[position]
        longest = min(MOST_SECONDS, seconds or MOST_SECONDS)
        try:
            if isinstance(stored, tuple):
                samples, own = middle_of(stored[0], longest, stored[1]), stored[1]
            else:
                samples, own = read_wave(stored, longest)
        except DECODING_ERRORS as error:
            broken = Fault(UNREADABLE, reason_of(error))
            raise sound_survey.unreadable({position: broken}, self.store, self.source) from error
        return resampled(samples, own, rate)

    def fixed(self, position: int, rate: int) -> Wave:
        """(T,) one sound at a rate, `seconds` long: a shorter one in the middle of zeros.

        Raises:
            InputError: A damaged file.
        """
        length = max(1, round(self.seconds * rate))
        return centred(self.wave(position, rate, self.seconds), length)

    def waves(self) -> NDArray[np.float32]:
        """(N, T) samples in -1..1 at `rate`, `seconds` long, as `fixed` gives them.

        Raises:
            InputError: A damaged file.
        """
        if self._decoded:
            return self._decoded.pop()
        made = self._blank()
        with track("decoding sounds", len(self)) as advance:
            for row in range(len(self)):
                made[row] = self.fixed(row, self.rate)
                advance()
        return made

    def log_mel(self) -> NDArray[np.float32]:
        """(N, bands, frames) log-mel spectrograms of `waves`.

        Raises:
            InputError: A damaged file.
        """
        return np.stack([log_mel(wave, self.rate) for wave in self.waves()])

    def like(self, other: "AudioData") -> Self:
        """The same sounds at the rate and of the length of others."""
        if (self.rate, self.seconds) == (other.rate, other.seconds):
            return self
        return replace(self, rate=other.rate, seconds=other.seconds, _decoded=[])

    def examined(self) -> Self:
        """The same sounds with those that do not decode, or are silent, among the `faults`.

        Where most sounds of a label are silent, that is what it means, and they stay. What was
        decoded is kept until `waves` is asked for it once, if it is not too much.
        """
        faults, silent = dict(self.faults), np.zeros(len(self), np.bool_)
        blank = self._blank()
        made = blank if blank.size <= _KEPT else None
        with track("decoding sounds", len(self)) as advance:
            for row, name in enumerate(map(str, self.ids)):
                if name not in faults:
                    try:
                        whole = self.wave(row, self.rate)
                    except InputError as error:
                        cause = error.__cause__
                        reason = reason_of(cause) if isinstance(cause, Exception) else error.got
                        faults[name] = Fault(UNREADABLE, reason)
                    else:
                        silent[row] = not np.ptp(whole)
                        if made is not None:
                            made[row] = centred(whole, made.shape[1])
                advance()
        codes = self.labels.codes
        for row in np.flatnonzero(silent).tolist():
            if silent[codes == codes[row]].mean() <= 0.5:
                faults[str(self.ids[row])] = Fault(EMPTY, "silence")
        return replace(self, faults=faults, _decoded=[] if made is None else [made])

    def take(self, index: NDArray[Any]) -> Self:
        """The samples at the positions ``index`` (or where a mask is true), in that order."""
        rows = np.arange(len(self))[index]
        return replace(
            self,
            ids=self.ids[rows],
            labels=self.labels.take(rows),
            groups=None if self.groups is None else self.groups.take(rows),
            digests=tuple(self.digests[row] for row in rows),
            store=tuple(self.store[row] for row in rows),
            headers=tuple(self.headers[row] for row in rows),
            _decoded=[waves[rows] for waves in self._decoded],
        )

    def show(self, position: int) -> Mapping[str, Any]:
        """``{"image": (H, W, 3) uint8 spectrogram, "seconds": ..., "sampling_rate": ...}``.

        One that cannot be used gives ``{"file": ..., "problem": ...}``.
        """
        fault = self.faults.get(str(self.ids[position]))
        if fault is not None:
            return self._problem(position, fault.reason)
        header = self.headers[position]
        try:
            wave = self.wave(position, self.rate, _PLAYED)
        except InputError as error:  # it has gone, or changed, since the data were opened
            return self._problem(position, error.got)
        if header is None or not len(wave):
            return self._problem(position, "no samples")
        told = {"seconds": round(header.seconds, 2), "sampling_rate": header.rate}
        return {"image": picture_of(log_mel(wave, self.rate)), **told}

    def play(self, position: int) -> bytes:
        """At most the middle 30 seconds of a sound, as a WAV file for a browser.

        Raises:
            InputError: A damaged file.
        """
        header = self.headers[position]
        own = self.rate if header is None else min(header.rate, 48_000)
        return wav_of(self.wave(position, own, _PLAYED), own)

    def _problem(self, position: int, reason: str) -> Mapping[str, Any]:
        return {"file": "" if self.files is None else self.files[position], "problem": reason}

    def _blank(self) -> NDArray[np.float32]:
        return np.zeros((len(self), max(1, round(self.seconds * self.rate))), np.float32)
