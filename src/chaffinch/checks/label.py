"""Issues of the labels alone: spelling variants, classes that are rare, uneven classes."""

import numpy as np

from chaffinch.checks.registry import Finding, register
from chaffinch.checks.subject import Subject
from chaffinch.core.label_variants import variants
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
    counts, names = subject.labels.counts, subject.labels.names
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
    small = uneven(subject.labels.counts)
    counts, names = subject.labels.counts, subject.labels.names
    order = [code for code in np.argsort(counts, kind="stable") if small[code]]
    return Finding("", "low", names=[f"{names[one]} ({counts[one]:,})" for one in order])


def uneven(counts: Codes) -> Mask:
    """(C,) which classes have less than a tenth of the samples that they would have if all were even."""
    present = counts > 0
    even = counts.sum() / max(np.count_nonzero(present), 1)
    small: Mask = present & (counts < _FRACTION * even)
    return small
