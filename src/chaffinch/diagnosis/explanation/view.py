"""What evidence shows of every sample at a glance: the figures that sentences are made of."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chaffinch.core.evidence import Evidence
from chaffinch.core.labels import Labels
from chaffinch.core.scorer import once_per_evidence
from chaffinch.core.types import Floats
from chaffinch.scorers.dynamics.learning_event import first_learned
from chaffinch.scorers.dynamics.loss import losses_by_epoch, right_by_epoch
from chaffinch.scorers.neighbours.duplicates import sorted_neighbours
from chaffinch.scorers.neighbours.knn import NUM_NEIGHBOURS, neighbourhood, space
from chaffinch.scorers.neighbours.novelty import distance_to_nearest
from chaffinch.scorers.probability import mean_over_epochs, softmax

HELD_OUT, TRAINED = "held_out", "trained"
_TINY = 1e-9


@dataclass(frozen=True, eq=False)
class View:
    """Figures of N samples; a record that evidence lacks is None.

    Attributes:
        labels: The given labels.
        predicted_by: `HELD_OUT`, `TRAINED` or None: what made `probabilities`.
        probabilities: (N, C) mean of the predictions: held-out ones over the later half of the
            epochs, trained ones over all.
        neighbours: (N, k) positions of the nearest samples, the nearest first.
        similarities: (N, k) cosines to these.
        losses: (E, N) loss of the given label.
        class_losses: (E, C) median of it over the samples of each class.
        loss_ratio: (N,) mean loss over the median of the class.
        learned: (N,) first epoch, from 0, after which the given label was predicted; E if never.
        remoteness: (N,) mean distance to the neighbours over the median of all samples.
        twin: (N,) position of the nearest sample by distance.
        strangeness: (N,) distance to the nearest validation sample over the median.
        eccentricity: (N,) distance to the middle of its class over the median of the class.
    """

    labels: Labels
    predicted_by: str | None = None
    probabilities: Floats | None = None
    neighbours: NDArray[np.int64] | None = None
    similarities: Floats | None = None
    losses: Floats | None = None
    class_losses: Floats | None = None
    loss_ratio: Floats | None = None
    learned: Floats | None = None
    remoteness: Floats | None = None
    twin: NDArray[np.int64] | None = None
    strangeness: Floats | None = None
    eccentricity: Floats | None = None

    def neighbours_labelled(self, row: int, code: int) -> int:
        """How many of the nearest samples carry a label."""
        if self.neighbours is None:
            return 0
        return int((self.labels.codes[self.neighbours[row]] == code).sum())

    @property
    def num_neighbours(self) -> int:
        """k, or 0."""
        return 0 if self.neighbours is None else self.neighbours.shape[1]

    def likeliest_other(self, row: int) -> int | None:
        """The class other than the given one that predictions, or else neighbours, favour."""
        own = int(self.labels.codes[row])
        if self.probabilities is not None:
            shares = self.probabilities[row].copy()
        elif self.neighbours is not None:
            near = self.labels.codes[self.neighbours[row]]
            shares = np.bincount(near, minlength=len(self.labels.classes)).astype(np.float64)
        else:
            return None
        shares[own] = -1
        best = int(shares.argmax())
        return None if best == own or shares[best] <= 0 else best


@once_per_evidence
def look(evidence: Evidence) -> View:
    """Take the figures that the evidence allows."""
    return View(
        evidence.labels,
        **_predictions(evidence),  # type: ignore[arg-type]
        **_surroundings(evidence),  # type: ignore[arg-type]
        **_course(evidence),  # type: ignore[arg-type]
    )


def _predictions(evidence: Evidence) -> dict[str, object]:
    if evidence.held_out_logits is not None:
        # The later half: before that, the models have not learned what they could tell.
        late = evidence.held_out_logits[len(evidence.held_out_logits) // 2 :]
        return {"predicted_by": HELD_OUT, "probabilities": mean_over_epochs(late, softmax)}
    if evidence.logits is not None:
        # All epochs: in the later ones, the model repeats what it was told.
        mean = mean_over_epochs(evidence.logits, softmax)
        return {"predicted_by": TRAINED, "probabilities": mean}
    return {}


def _surroundings(evidence: Evidence) -> dict[str, object]:
    if not (evidence.has("embeddings") or evidence.has("features")) or len(evidence) < 2:
        return {}
    positions, similarities = neighbourhood(evidence)
    by_distance, distances = sorted_neighbours(evidence)
    away = distances[:, :NUM_NEIGHBOURS].mean(axis=1)
    return {
        "neighbours": positions[:, :NUM_NEIGHBOURS],
        "similarities": similarities[:, :NUM_NEIGHBOURS],
        "remoteness": away / max(float(np.median(away)), _TINY),
        "twin": by_distance[:, 0],
        "eccentricity": _eccentricity(space(evidence), evidence.labels),
        **_strangeness(evidence),
    }


def _eccentricity(rows: Floats, labels: Labels) -> Floats:
    """(N,) distance to the median sample of the class, column by column, over its median."""
    away = np.zeros(len(rows))
    for code in np.unique(labels.codes):
        own = labels.codes == code
        gaps = np.linalg.norm(rows[own] - np.median(rows[own], axis=0), axis=1)
        away[own] = gaps / max(float(np.median(gaps)), _TINY)
    return away


def _strangeness(evidence: Evidence) -> dict[str, object]:
    for name in ("embeddings", "features"):
        if evidence.has(name) and evidence.has(f"validation_{name}"):
            away = distance_to_nearest(evidence.need(name), evidence.need(f"validation_{name}"))
            return {"strangeness": away / max(float(np.median(away)), _TINY)}
    return {}


def _course(evidence: Evidence) -> dict[str, object]:
    if evidence.logits is None:
        return {}
    codes, num_classes = evidence.labels.codes, len(evidence.labels.classes)
    losses = losses_by_epoch(evidence)
    medians = np.zeros((len(losses), num_classes))
    usual = np.ones(num_classes)
    mean = losses.mean(axis=0)
    for code in np.unique(codes):
        own = codes == code
        medians[:, code] = np.median(losses[:, own], axis=1)
        usual[code] = max(float(np.median(mean[own])), _TINY)
    return {
        "losses": losses,
        "class_losses": medians,
        "loss_ratio": mean / usual[codes],
        "learned": first_learned(right_by_epoch(evidence.logits, codes)),
    }
