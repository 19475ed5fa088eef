"""Samples of which nothing can be learned: unreadable, empty, without a label, missing cells."""

import numpy as np

from chaffinch.checks.registry import Finding, register
from chaffinch.checks.subject import Subject
from chaffinch.core.kinds import EMPTY, UNREADABLE


@register(
    "unreadable",
    "samples",
    ("samples",),
    remedy="Restore the files from their origin, or drop them",
    basis="Each sample is read once",
)
def unreadable(subject: Subject) -> Finding:
    """Samples that cannot be read."""
    return _of_kind(subject, UNREADABLE)


@register(
    "empty",
    "samples",
    ("samples",),
    remedy="Drop them, or find out what should stand there",
    basis="Each sample is read once",
)
def empty(subject: Subject) -> Finding:
    """Samples without any content."""
    return _of_kind(subject, EMPTY)


@register(
    "unlabelled",
    "samples",
    ("labels",),
    remedy="Label or drop them",
    basis="Missing labels among given ones",
)
def unlabelled(subject: Subject) -> Finding:
    """Samples without a label among labelled ones."""
    flagged = ~subject.labels.known
    return Finding("", "medium", flagged, flagged.astype(np.float64))


def _of_kind(subject: Subject, kind: str) -> Finding:
    flagged = np.zeros(len(subject), np.bool_)
    rows = [row for row, fault in subject.all_faults.items() if fault.kind == kind]
    flagged[rows] = True
    reasons = sorted({subject.all_faults[row].reason for row in rows})
    return Finding("; ".join(reasons[:3]), "medium", flagged, flagged.astype(np.float64))
