"""What training on all samples says of their labels, and in which epochs it says it best.

A network that learns wrong labels by heart tells them apart early and forgets the difference, so
all its epochs count. One that is far from learning anything by heart (few epochs, little capacity,
hard data) tells them apart the better the longer it trains. Predictions that the network had no
part in know which of the two it is: they doubt some labels more than others, and the margins of the
doubted ones either fall behind to the end, or catch up.
"""

from collections.abc import Sequence

import numpy as np

from chaffinch.core.evidence import Evidence
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.diagnosis.fusion import own_spread
from chaffinch.scorers.dynamics.aum import area_under_margin
from chaffinch.scorers.dynamics.loss import mean_loss
from chaffinch.scorers.probability import margin, pick, softmax

LEAST_EPOCHS = 4
"""With fewer there is no telling how the margins move."""

_LATE = 4  # the last quarter of the epochs
_LEAST_SEPARATION = 0.05
_HELD, _FELL = 0.04, 0.08
_LEAST_AGREEMENT = 0.2


def training_view(evidence: Evidence, usual: Mask, posterior: Floats, late: float) -> Floats | None:
    """How suspicious training on all samples makes the usual ones.

    Mean loss and area under the margin, and by the share ``late`` the margins of the last quarter
    of the epochs instead. Each is in its own spread; one that hardly agrees with the held-out
    predictions counts less, or not at all.

    Args:
        evidence: What is known of all samples.
        usual: Mask of the n samples to speak of.
        posterior: (n,) probability that their labels are wrong, from held-out predictions.
        late: 0..1, see `late_share`.

    Returns:
        (n,) higher = more suspicious, or None without a training.
    """
    if evidence.logits is None:
        return None
    logits, codes = evidence.logits, evidence.labels.codes
    whole = whole_training(logits, codes)
    parts = [((1 - late) / len(whole), scores) for scores in whole]
    if late > 0:
        ending = logits[-max(1, len(logits) // _LATE) :]
        parts.append((late, -area_under_margin(ending, codes)))
    total = np.zeros(int(usual.sum()))
    for share, scores in parts:
        scaled = own_spread(scores[usual])
        expected = float((scaled * posterior).sum() / max(posterior.sum(), 1e-12))
        agreement = expected - float(scaled.mean())
        total += share * float(np.clip(agreement / _LEAST_AGREEMENT, 0, 1)) * scaled
    return total


def whole_training(logits: Floats, codes: Codes) -> list[Floats]:
    """Scores (N,) of all epochs of (E, N, C) logits: mean loss, and minus area under the margin."""
    return [mean_loss(logits, codes), -area_under_margin(logits, codes)]


def late_share(logits: Floats | None, codes: Codes, doubted: Floats) -> float:
    """By how much the last epochs tell suspicious labels apart better than the mean of all.

    Args:
        logits: (E, N, C) by epoch, of the training on all samples; None where there was none.
        codes: (N,) given labels.
        doubted: (N,) 0..1, how doubtful each label is by what the network had no part in.

    Returns:
        1 where doubted labels are told apart as well in the end as at the best time (up to `_HELD`
        of the difference, which is chance), 0 where the difference has fallen by `_FELL` of its
        size, where it never was large enough to judge by, or with fewer than `LEAST_EPOCHS` epochs;
        straight between.
    """
    if logits is None or len(logits) < LEAST_EPOCHS:
        return 0.0
    reached = np.asarray([separation(-margin(one, codes), doubted) for one in logits]) - 0.5
    best = float(reached.max())
    if best < _LEAST_SEPARATION:
        return 0.0
    ending = float(reached[-max(1, len(reached) // _LATE) :].mean())
    fallen = (best - ending) / best
    return float(np.clip((_FELL - fallen) / (_FELL - _HELD), 0, 1))


def separation(scores: Floats, doubted: Floats) -> float:
    """Area under the ROC curve of scores, where a sample counts as wrong by its doubt.

    Args:
        scores: (N,) higher = more suspicious; the order of equal ones is that of the samples.
        doubted: (N,) 0..1.

    Returns:
        Probability that a sample drawn by its doubt scores above one drawn by one minus its doubt;
        0.5 where all are doubted, or none is.
    """
    wrong = doubted[np.argsort(scores, kind="stable")]
    right = 1 - wrong
    pairs = float(wrong.sum() * right.sum())
    below = np.cumsum(right) - right / 2
    return float((wrong * below).sum()) / pairs if pairs > 0 else 0.5


def doubt_of(sources: Sequence[Floats], codes: Codes) -> Floats:
    """(N,) one minus the mean probability of the given label over log-probabilities (N, C)."""
    doubt: Floats = 1 - np.mean([pick(softmax(one), codes) for one in sources], axis=0)
    return doubt
