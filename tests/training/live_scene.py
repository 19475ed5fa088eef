"""Records of an epoch drawn from known distributions, and histories made by hand."""

import numpy as np
from scipy.special import log_softmax

from chaffinch.training.diagnostics.snapshot import Snapshot
from chaffinch.training.watching.observer import EpochRecord, ValidationRecord


def calibrated(count, num_classes, rate, seed, strength=4.0):
    """Outputs of a model that knows everything but the noise, labels, and which are wrong."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, strength, (count, num_classes))
    chances = np.exp(log_softmax(logits, axis=1))
    truth = (chances.cumsum(axis=1) > random.random((count, 1))).argmax(axis=1)
    wrong = random.random(count) < rate
    labels = np.where(wrong, (truth + random.integers(1, num_classes, count)) % num_classes, truth)
    return logits, labels.astype(np.int64), wrong


def record(epoch, logits, labels, **more):
    """The record of an epoch in which these outputs came."""
    logits = np.asarray(logits, dtype=np.float32)
    rows = np.arange(len(labels))
    log_chances = log_softmax(logits, axis=1)
    others = logits.copy()
    others[rows, labels] = -np.inf
    values = {
        "loss": -log_chances[rows, labels],
        "probability": np.exp(log_chances[rows, labels]),
        "margin": logits[rows, labels] - others.max(axis=1),
        "entropy": -(np.exp(log_chances) * log_chances).sum(axis=1),
        "gradient_norm": 1 - np.exp(log_chances[rows, labels]),
    } | more.pop("values", {})
    seen = more.pop("seen", np.ones(len(labels), dtype=bool))
    values = {name: np.where(seen, value, np.nan) for name, value in values.items()}
    given = {"logits": logits, "seconds": 1.0} | more
    return EpochRecord(epoch, labels, seen, values, logits.shape[1], len(labels), 10, **given)


def validation(logits, labels, loss=None):
    """The same for validation samples."""
    log_chances = log_softmax(logits, axis=1)
    found = -log_chances[np.arange(len(labels)), labels].mean()
    return ValidationRecord(logits, labels, float(found if loss is None else loss))


def snapshot(epoch, **parts):
    """A snapshot with nothing to say but what is given."""
    usual = {"samples": 1000, "seen": 1000, "never": 0, "loss": 1.0, "accuracy": 0.8}
    return Snapshot(epoch, **(usual | parts))
