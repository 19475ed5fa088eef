"""Issues of the labels alone: spelling variants, classes that are rare, uneven classes."""

import numpy as np

from chaffinch.checks.registry import Finding, register
from chaffinch.checks.subject import Subject
from chaffinch.core.label_variants import variants
from chaffinch.core.labels import Labels
from chaffinch.core.types import Codes, Mask

_FRACTION = 0.1
_RARE = 5


@register(
    "label_variants",
    "classes",
    ("labels",),
    remedy="Merge those that are one class",
    basis="Equal without case, spaces, invisible and look-alike letters",
)
def label_variants(subject: Subject) -> Finding:
    """Classes that differ only in how they are written."""
    names, counts = subject.labels.names, subject.labels.counts
    groups = variants(subject.labels)
    told = [" = ".join(f"{names[one]!r} ({counts[one]:,})" for one in group) for group in groups]
    return Finding("", "high", names=told)


@register(
    "rare_classes",
    "classes",
    ("labels",),
    remedy="Collect more of them, merge them or leave them out; check for misspelt labels",
    basis="Fewer than five samples cannot be split, learned and tested",
)
def rare_classes(subject: Subject) -> Finding:
    """Classes of fewer than five samples."""
    counts, names = _counts(subject), subject.labels.names
    rare = [code for code in np.argsort(counts, kind="stable") if 0 < counts[code] < _RARE]
    return Finding("", "medium", names=[f"{names[one]} ({counts[one]})" for one in rare])


@register(
    "class_imbalance",
    "classes",
    ("labels",),
    remedy="Measure by class; weigh or sample the classes while you train",
    basis="Datalab's issue of that name: less than a tenth of an even share",
)
def class_imbalance(subject: Subject) -> Finding:
    """Classes of less than a tenth of an even share."""
    counts, names = _counts(subject), subject.labels.names
    small = uneven(counts)
    order = [code for code in np.argsort(counts, kind="stable") if small[code]]
    return Finding("", "low", names=[f"{names[one]} ({counts[one]:,})" for one in order])


def merged_codes(labels: Labels) -> Codes:
    """(N,) codes in which spelling variants are one class, -1 where a label is missing."""
    place = np.arange(len(labels.classes) + 1)
    place[-1] = -1
    for group in variants(labels):
        place[group] = group[0]
    merged: Codes = place[labels.codes].astype(np.int64)
    return merged


def uneven(counts: Codes) -> Mask:
    """(C,) which classes have less than a tenth of an even share of the samples."""
    present = counts > 0
    even = counts.sum() / max(np.count_nonzero(present), 1)
    small: Mask = present & (counts < _FRACTION * even)
    return small


def _counts(subject: Subject) -> Codes:
    """(C,) samples of each class, spelling variants counted as one."""
    codes = merged_codes(subject.labels)
    return np.bincount(codes[codes >= 0], minlength=len(subject.labels.classes))
