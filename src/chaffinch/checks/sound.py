"""Sounds and time series that stand out: silent, clipped, of odd length or sampling rate, constant.

As with images, a sample is flagged where it is bad by an absolute measure and also far from what is
usual in its data set.
"""

from collections import Counter

import numpy as np

from chaffinch.checks.registry import Finding, register
from chaffinch.checks.subject import Subject
from chaffinch.checks.tail import beyond, clipped
from chaffinch.core.types import Floats, Mask

_SILENT = -60.0
_CLIPPED = 0.002
_FACTOR = 2.0
_RARE = 0.1


@register(
    "silent",
    "samples",
    ("sounds",),
    remedy="Listen to them; drop those in which nothing is heard",
    basis="Loudness under -60 dB of full scale; Tukey's outer fences within the data set",
)
def silent(subject: Subject) -> Finding:
    """Sounds in which next to nothing is heard."""
    flagged, scores = silent_sounds(subject.sound_properties["loudness"])
    return Finding("", "medium", flagged, scores)


def silent_sounds(loudness: Floats) -> tuple[Mask, Floats]:
    """Flags and scores by loudness, (N,) in decibels of full scale."""
    return (loudness < _SILENT) & beyond(loudness, "low"), clipped(-loudness / 120)


@register(
    "clipped",
    "samples",
    ("sounds",),
    remedy="Record them again at a lower level, or drop those that people cannot tell either",
    basis="Runs of samples at the peak; Tukey's outer fences within the data set",
)
def clipped_sounds(subject: Subject) -> Finding:
    """Sounds recorded too loud, whose peaks are cut off."""
    share = subject.sound_properties["clipped"]
    flagged = (share > _CLIPPED) & beyond(share, "high")
    return Finding("", "medium", flagged, clipped(share * 10))


@register(
    "odd_duration",
    "samples",
    ("lengths",),
    remedy="Cut them to what the label names; check those that were cut off or never stopped",
    basis="Twice or half the median length; Tukey's outer fences of the logarithms",
)
def odd_duration(subject: Subject) -> Finding:
    """Sounds or series much longer or shorter than the others."""
    known = subject.lengths
    lengths = np.full(len(subject), np.nan) if known is None else known.copy()
    lengths[~subject.usable] = np.nan
    flagged, scores = odd_durations(lengths)
    return Finding("", "low", flagged, scores)


def odd_durations(lengths: Floats) -> tuple[Mask, Floats]:
    """Flags and scores by length, (N,) positive numbers or NaN."""
    logs = np.log(np.maximum(lengths, 1e-6))
    if not np.isfinite(logs).any():
        return np.zeros(len(logs), np.bool_), np.zeros(len(logs))
    away = np.abs(logs - np.nanmedian(logs))
    outside = beyond(logs, "low") | beyond(logs, "high")
    return outside & (away >= np.log(_FACTOR) - 1e-9), clipped(1 - np.exp2(-away / np.log(_FACTOR)))


@register(
    "odd_sampling_rate",
    "samples",
    ("sounds",),
    remedy="Check where they come from; a scan brings all to one rate, but what is lost stays lost",
    basis="A rate that at most a tenth of the sounds have",
)
def odd_sampling_rate(subject: Subject) -> Finding:
    """Sounds of a sampling rate that few others have."""
    rates = subject.sound_properties["rate"]
    counts = Counter(rates[np.isfinite(rates)].tolist())
    total = sum(counts.values())
    rare = {rate for rate, count in counts.items() if count <= _RARE * total}
    flagged = np.asarray([rate in rare for rate in rates.tolist()], np.bool_)
    commonest = max(counts, key=lambda rate: counts[rate], default=1.0)
    scores = clipped(1 - np.minimum(rates, commonest) / np.maximum(rates, commonest))
    told = ", ".join(f"{rate:,.0f} Hz" for rate in sorted(rare)[:5])
    message = f"{told} among {commonest:,.0f} Hz" if rare else ""
    return Finding(message, "low", flagged, np.where(flagged, np.maximum(scores, 0.1), scores))


@register(
    "constant_series",
    "samples",
    ("series",),
    remedy="Check the sensor or the export; drop series that tell nothing",
    basis="No channel changes over time, in at most a tenth of the series",
)
def constant_series(subject: Subject) -> Finding:
    """Time series whose values never change."""
    parts = subject.series or ()
    flat = np.asarray([_is_flat(one) for part in parts for one in part.values], np.bool_)
    flat &= subject.usable
    if flat.mean() > _RARE:
        flat[:] = False
    return Finding("", "medium", flat, flat.astype(np.float64))


def _is_flat(values: Floats) -> bool:
    known = np.isfinite(values)
    low = np.where(known, values, np.inf).min(axis=0, initial=np.inf)
    high = np.where(known, values, -np.inf).max(axis=0, initial=-np.inf)
    return bool((high <= low).all())
