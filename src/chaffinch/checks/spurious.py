"""Properties that tell the label and that nobody meant to be learned; isolated samples."""

import numpy as np
import pandas as pd

from chaffinch.checks.label import merged_codes
from chaffinch.checks.leakage import label_gain
from chaffinch.checks.neighbour import scale_of
from chaffinch.checks.registry import Finding, register
from chaffinch.checks.subject import Subject
from chaffinch.checks.tail import beyond, clipped

_PROPERTIES = {
    "brightness": "mean",
    "darkest parts": "low",
    "brightest parts": "high",
    "blur": "blur",
    "information": "entropy",
    "colourfulness": "chroma",
    "height": "height",
    "width": "width",
    "red": "r",
    "green": "g",
    "blue": "b",
}
_GAIN = 0.3
_ONE_CLASS = 0.9
_MOST_ROWS = 10_000
_FARTHER = 1.5
_LEAST_COLUMNS = 4


@register(
    "spurious_correlations",
    "columns",
    ("images", "labels"),
    remedy="Make the property alike in all classes, by new samples or by augmentation",
    basis="Datalab's issue of that name: held-out predictions by the property alone",
)
def spurious_correlations(subject: Subject) -> Finding:
    """Image properties that tell the label, or one class."""
    known = np.flatnonzero(subject.labels.known & subject.usable)
    rows = np.sort(np.random.default_rng(subject.seed).permutation(known)[:_MOST_ROWS])
    codes = merged_codes(subject.labels)[rows]
    columns = {name: pd.Series(subject.properties[key]) for name, key in _PROPERTIES.items()}
    columns["aspect ratio"] = columns["width"] / columns["height"]
    found = []
    for name, column in columns.items():
        gain, f1 = label_gain(column.iloc[rows], codes, subject.seed)
        if gain >= _GAIN or f1 >= _ONE_CLASS:
            found.append((max(gain, f1), name))
    found.sort(reverse=True)
    strong = bool(found) and found[0][0] >= 0.6
    told = [f"{name} ({gain:.0%})" for gain, name in found]
    return Finding("", "high" if strong else "medium", names=told)


@register(
    "outlier",
    "samples",
    ("vectors",),
    remedy="Look at them; drop what does not belong to the task, keep what is rare but right",
    basis="Datalab's issue of that name: distance to the nearest of a random reference set",
)
def outlier(subject: Subject) -> Finding:
    """Samples far from all others."""
    vectors = subject.vectors
    # Ranks of few columns are even by themselves: only their ends would stand out.
    if vectors is None or subject.modality == "text" or vectors.shape[1] < _LEAST_COLUMNS:
        return Finding(flagged=np.zeros(len(subject), np.bool_))
    usable = np.flatnonzero(subject.usable)
    distances = np.zeros(len(subject))
    distances[usable] = scale_of(vectors[usable], subject.seed).reference
    median = float(np.median(distances[usable])) or 1.0
    logarithms = np.log(np.where(distances > 0, distances, np.nan))
    flagged = beyond(logarithms, "high") & (distances >= _FARTHER * median)
    return Finding("", "low", flagged, clipped(1 - np.exp2(-distances / (_FARTHER * median))))
