"""Copies of samples: exact, near, between splits, and under several labels."""

import numpy as np
import pandas as pd

from chaffinch.checks.neighbour import groups_of
from chaffinch.checks.registry import Finding, Severity, register
from chaffinch.checks.subject import Subject
from chaffinch.core.types import Codes


@register(
    "exact_duplicates",
    "samples",
    ("samples",),
    remedy="Keep one of each group, unless the copies are observations of their own",
    basis="Equal content, unless columns of few values make equal rows likely",
)
def exact_duplicates(subject: Subject) -> Finding:
    """Samples of exactly the same content."""
    return _copies(subject.exact_copies.copy())


@register(
    "near_duplicates",
    "samples",
    ("vectors|frame",),
    remedy="Look at them; keep one of each group, and keep groups on one side of every split",
    basis="Facco et al. 2017 for what distance is usual; Broder 1997 for texts",
)
def near_duplicates(subject: Subject) -> Finding:
    """Samples of nearly the same content."""
    groups = subject.near_copies.copy()
    groups[~subject.usable] = -1
    exact = subject.exact_copies
    # A group of nothing but equal samples is one of exact copies.
    contents = np.where(exact >= 0, exact, -2 - np.arange(len(exact)))
    return _copies(spanning(groups, contents))


@register(
    "split_leakage",
    "samples",
    ("split",),
    remedy="Drop the copies from all splits but one, and measure again: results are too good",
    basis="Exact and near copies, compared between splits",
)
def split_leakage(subject: Subject) -> Finding:
    """Samples with a copy in another split."""
    split = np.asarray(subject.split)
    joined = joint(subject.exact_copies, _near(subject))
    joined[split < 0] = -1
    groups = spanning(joined, split)
    flagged = groups >= 0
    told = [
        f"{int(np.count_nonzero(flagged & (split == code))):,} of {name}"
        for code, name in enumerate(subject.split_names)
        if (flagged & (split == code)).any()
    ]
    return Finding(", ".join(told), "high", flagged, flagged.astype(np.float64), groups)


@register(
    "conflicting_duplicates",
    "samples",
    ("labels",),
    remedy="Decide which label is right and relabel or drop the others",
    basis="Exact and near copies, compared by label",
)
def conflicting_duplicates(subject: Subject) -> Finding:
    """Copies of one another with different labels."""
    joined = joint(subject.exact_copies, _near(subject))
    joined[~subject.labels.known] = -1
    groups = spanning(joined, subject.labels.codes)
    flagged = groups >= 0
    return Finding("", "high", flagged, flagged.astype(np.float64), groups)


def spanning(groups: Codes, kinds: Codes) -> Codes:
    """The groups alone whose members are of more than one kind.

    Args:
        groups: (N,) numbers of groups, -1 for none.
        kinds: (N,) any whole numbers.

    Returns:
        (N,) numbers of groups, counted anew from 0; -1 for none.
    """
    kept = np.full(len(groups), -1, np.int64)
    linked = np.flatnonzero(groups >= 0)
    if len(linked):
        several = pd.Series(kinds[linked]).groupby(groups[linked]).transform("nunique").to_numpy()
        wide = linked[several > 1]
        kept[wide] = pd.factorize(groups[wide])[0]
    return kept


def joint(first: Codes, second: Codes) -> Codes:
    """Groups joined wherever they share a sample; (N,) numbers, -1 for samples in neither."""
    links = []
    for groups in (first, second):
        linked = np.flatnonzero(groups >= 0)
        order = linked[np.argsort(groups[linked], kind="stable")]
        same = groups[order[1:]] == groups[order[:-1]]
        links.append(np.stack([order[:-1][same], order[1:][same]], axis=1))
    return groups_of(np.concatenate(links), len(first))


def _near(subject: Subject) -> Codes:
    if not (subject.has("vectors") or subject.has("frame")):
        return np.full(len(subject), -1, np.int64)
    groups = subject.near_copies.copy()
    groups[~subject.usable] = -1
    return groups


def _copies(groups: Codes) -> Finding:
    flagged = groups >= 0
    groups[flagged] = pd.factorize(groups[flagged])[0]  # in the order of their first samples
    count = int(groups.max(initial=-1)) + 1
    told = f"{count:,} group{'s' * (count != 1)}" if count else ""
    severity: Severity = "medium" if flagged.mean() >= 0.01 else "low"
    return Finding(told, severity, flagged, flagged.astype(np.float64), groups)
