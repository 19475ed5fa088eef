"""Curves: how well the signal of one epoch alone finds the glitches."""

from collections.abc import Iterator

import numpy as np

from benchmarks.experiment import Measurement
from benchmarks.method import Scored
from benchmarks.metrics import detection_metrics
from benchmarks.situation import Situation
from chaffinch.core.evidence import Evidence
from chaffinch.core.types import Floats
from chaffinch.scorers.probability import cross_entropy, margin
from chaffinch.scorers.signals import signal_by_epoch

SIGNALS = {
    "self_influence": "si",
    "mean_influence": "mi",
    "absolute_influence": "aai",
    "gd_class": "gd_class",
    "cnci": "cnci",
    "pcid": "pcid",
    "cfrank": "cfrank",
}
"""Scorers that trace a signal over the epochs, and what `signal_by_epoch` calls it."""


def scores_by_epoch(name: str, evidence: Evidence) -> Floats | None:
    """(E, N) what a method says from each epoch alone; None for one that is not made of epochs."""
    codes = evidence.labels.codes
    if name == "loss_mean":
        return np.stack([cross_entropy(one, codes) for one in evidence.need("logits")])
    if name == "aum":
        return -np.stack([margin(one, codes) for one in evidence.need("logits")])
    return signal_by_epoch(evidence, SIGNALS[name]) if name in SIGNALS else None


def curve_of(name: str, situation: Situation) -> Iterator[Measurement]:
    """AUROC of a method's score by epoch, counted from 1; nothing for one not made of epochs."""
    rows = scores_by_epoch(name, situation.evidence)
    for epoch, scores in enumerate(() if rows is None else rows):
        auroc = detection_metrics(situation.errors, Scored(scores))["auroc"]
        yield Measurement(name, "auroc_of_epoch", auroc, x=epoch + 1)
