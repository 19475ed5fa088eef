"""Influence signals: one number a sample from its influences on validation samples.

Definitions after Myrtakis et al. (*Influence signals*, 2024; KDD 2025), each turned so that higher
is more suspicious, and divided by the number of targets M where it is a sum.
"""

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from chaffinch.core.errors import InputError
from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import once_per_evidence
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.scorers.fusion import mean_rank
from chaffinch.scorers.outliers.last_layer import output_errors
from chaffinch.scorers.signals.matrix import ClassSums, class_sums
from chaffinch.scorers.signals.snapshot import BY_EPOCH, num_epochs, snapshot

_ROWS = 4096
_LEAST = 1e-30

Signals = dict[str, Floats]


def _own(table: Floats, codes: Codes) -> Floats:
    own: Floats = table[np.arange(len(codes)), codes]
    return own


def group_difference(sums: ClassSums, present: Mask) -> Floats:
    """(N,) GD-class: how much the class is hurt that is hurt most on balance.

    Args:
        sums: Of N samples.
        present: (C,) which classes have targets; only these are looked at.
    """
    if not present.any():
        return np.zeros(len(sums.helped))
    worst: Floats = -sums.net[:, present].min(axis=1)
    return worst


def counterfactual_support(sums: ClassSums) -> Floats:
    """(N,) PCID as minus the logarithm of ``w max_c |P_c - Pcf_c|``; the paper has its reciprocal.

    High where a sample helps little, and where another label would change little of it.
    """
    change = np.abs(sums.helped - sums.helped_if_runner_up).max(axis=1, initial=0)
    score: Floats = -np.log(np.maximum(sums.helped.sum(axis=1) * change, _LEAST))
    return score


_FROM_SUMS: Mapping[str, Callable[[ClassSums, Codes, Mask, int], Floats]] = {
    "mi": lambda sums, _codes, _present, m: -sums.net.sum(axis=1) / m,
    "aai": lambda sums, _codes, _present, m: (sums.helped - sums.hurt).sum(axis=1) / m,
    "gd_class": lambda sums, _codes, present, m: group_difference(sums, present) / m,
    "helping": lambda sums, _codes, _present, m: -sums.helped.sum(axis=1) / m,
    "hurting": lambda sums, _codes, _present, m: -sums.hurt.sum(axis=1) / m,
    "own_class": lambda sums, codes, _present, m: -_own(sums.net, codes) / m,
    "other_class": lambda sums, codes, _present, m: (
        (_own(sums.net, codes) - sums.net.sum(axis=1)) / m
    ),
    "cnci": lambda sums, _codes, _present, m: sums.hurt_if_proposed / m,
    "pcid": lambda sums, _codes, _present, _m: counterfactual_support(sums),
}

SIGNALS = ("si", *_FROM_SUMS, "cfrank")
"""Names that `signal_by_epoch` knows."""


def traced_signals(evidence: Evidence) -> Signals:
    """All signals of the influence summed over the epochs, weighted by learning rate (TracInCP).

    Where the evidence has no features by epoch, it is the influence in the last epoch.

    Returns:
        Name to (N,) float64; also ``proposed`` and ``runner_up``, the labels proposed by CNCI and
        tried by PCID, as codes.
    """
    return _traced(evidence)


def signal_by_epoch(evidence: Evidence, name: str) -> Floats:
    """A signal of the influence in each epoch, times the epoch's learning rate.

    Args:
        evidence: With logits and, but for ``si``, features and validation records by epoch.
        name: One of `SIGNALS`.

    Returns:
        (E, N) float64, higher = more suspicious; (1, N) for the last epoch where the records by
        epoch are missing.

    Raises:
        InputError: An unknown name or a missing record.
    """
    if name not in SIGNALS:
        raise InputError(f"one of {', '.join(SIGNALS)}", repr(name), "Choose one of them")
    if name == "si":
        return self_influence_by_epoch(evidence)
    return np.stack([_in_epoch(evidence, epoch)[name] for epoch in range(num_epochs(evidence))])


def early_signal(evidence: Evidence, name: str) -> Floats:
    """(N,) a signal of the influence summed over the first third of the epochs, at least one.

    Nets learn anomalies and wrong labels late, so that early gradients tell them apart better.

    Raises:
        InputError: As `signal_by_epoch`.
    """
    if name == "si":
        rows = self_influence_by_epoch(evidence)
        return np.asarray(rows[: math.ceil(len(rows) / 3)].sum(axis=0))
    for record in BY_EPOCH:
        evidence.need(record)  # the last epoch would do for the signal, but it is not early
    return _early(evidence)[name]


def self_influence_by_epoch(evidence: Evidence) -> Floats:
    """(E, N) learning rate times the squared norm of the last layer's gradient in each epoch."""
    logits, norms = evidence.need("logits"), evidence.need("feature_norms")
    rates, codes = evidence.need("learning_rates"), evidence.labels.codes
    rows = np.empty((len(logits), len(codes)))
    for epoch, rate in enumerate(rates):
        errors = output_errors(logits[epoch], codes).astype(np.float64)
        inputs = np.asarray(norms[epoch], dtype=np.float64) ** 2 + int(evidence.bias)
        rows[epoch] = float(rate) * (errors**2).sum(axis=1) * inputs
    return rows


@once_per_evidence
def _traced(evidence: Evidence) -> Signals:
    return _signals(evidence, range(num_epochs(evidence)))


@once_per_evidence
def _early(evidence: Evidence) -> Signals:
    return _signals(evidence, range(math.ceil(num_epochs(evidence) / 3)))


@once_per_evidence
def _known_epochs(_evidence: Evidence) -> dict[int, Signals]:
    return {}


def _in_epoch(evidence: Evidence, epoch: int) -> Signals:
    known = _known_epochs(evidence)
    if epoch not in known:
        known[epoch] = _signals(evidence, range(epoch, epoch + 1))
    return known[epoch]


def _signals(evidence: Evidence, epochs: range) -> Signals:
    """All signals of the influence summed over some epochs, from blocks of rows."""
    blocks = list(_signals_of_blocks(evidence, epochs))
    found = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    found["cfrank"] = np.maximum(mean_rank([found["cnci"]]), mean_rank([found["pcid"]]))
    return found


def _signals_of_blocks(evidence: Evidence, epochs: range) -> Iterator[Signals]:
    targets = np.asarray(evidence.need("validation_codes"), dtype=np.int64)
    num_classes = len(evidence.labels.classes)
    present = np.bincount(targets, minlength=num_classes) > 0
    for start in range(0, len(evidence), _ROWS):
        rows = slice(start, min(len(evidence), start + _ROWS))
        codes = evidence.labels.codes[rows]
        snapshots = [snapshot(evidence, epoch, rows) for epoch in epochs]
        sums = class_sums(snapshots, codes, targets, num_classes)
        size = max(1, len(targets))
        signals = {name: f(sums, codes, present, size) for name, f in _FROM_SUMS.items()}
        labels = {"proposed": sums.proposed, "runner_up": sums.runner_up}
        yield signals | {name: codes.astype(np.float64) for name, codes in labels.items()}
