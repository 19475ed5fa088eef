"""What the other tags of a sample say of each of its tags.

Tags depend on one another: some imply others, exclude them, or nearly always come together. A model
that predicts each tag from the input alone leaves that unused. So a second model predicts each tag
from the held-out predictions of all tags *and the given other tags*, itself by folds (stacked
generalisation, Godbole and Sarawagi, PAKDD 2004; a dependency network, Heckerman et al., JMLR
2000).
It is done twice, by a linear model, which is the pseudo-likelihood of an Ising model with the
predictions as its field, and by boosted trees, which see implications of several tags. The model of
noise weighs both.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.ensemble import HistGradientBoostingClassifier
from torch.nn import functional as F

from chaffinch.core.randomness import stream
from chaffinch.core.types import Codes, Floats
from chaffinch.tasks.multilabel.tags import PRESENT, UNKNOWN, Tags

NUM_FOLDS = 5
_CERTAIN = 1e-4
_STRENGTH = 3e-4
"""Of the L2 penalty on the linear model, per tag and mean over samples."""
_STEPS = 100
_MOST_TREES = 64
"""With more tags the linear model is used alone: the trees take a fit per tag and fold."""
_LEAST_FOR_TREES = 500


def from_other_tags(
    logits: Floats, tags: Tags, seed: int = 0, folds: Codes | None = None
) -> Floats:
    """Log-odds of each tag, from predictions of all tags and the other given tags.

    Args:
        logits: (N, K) log-odds by models that did not see the sample.
        tags: The given ones; unknown ones say nothing.
        seed: Decides the folds where none are given.
        folds: (N,) 0..4, the fold of each sample.

    Returns:
        (R, N, K) by R models, none of which saw the sample; R is 1 where there are many tags or
        few samples, else 2. Of a single tag there are no others, and R is 0.
    """
    size, width = logits.shape
    if width == 1 or size < 2 * NUM_FOLDS:
        return np.empty((0, size, width))
    if folds is None:
        folds = stream(seed, "other tags").permutation(size) % NUM_FOLDS
    spread = np.maximum(logits.std(axis=0), 1e-6)
    scaled = (logits - logits.mean(axis=0)) / spread
    # An unknown tag lies half-way.
    told = np.where(tags.values == UNKNOWN, 0.0, 2.0 * (tags.values == PRESENT) - 1)
    found = [_linear(scaled, told, tags, folds)]
    if width <= _MOST_TREES and size >= _LEAST_FOR_TREES:
        found.append(_trees(logits, told, tags, folds))
    return np.stack(found)


def _linear(scaled: Floats, told: Floats, tags: Tags, folds: Codes) -> Floats:
    """(N, K) log-odds of logistic models of all tags, fitted together."""
    found = np.empty(scaled.shape)
    field, others = torch.from_numpy(scaled), torch.from_numpy(told)
    present = torch.from_numpy((tags.values == PRESENT).astype(np.float64))
    known = torch.from_numpy(tags.known.astype(np.float64))
    for fold in range(NUM_FOLDS):
        held = torch.from_numpy(folds == fold)
        model = _Ising(scaled.shape[1])
        model.fit(field[~held], others[~held], present[~held], known[~held])
        with torch.no_grad():
            found[held.numpy()] = model(field[held], others[held]).numpy()
    limit = logit(1 - _CERTAIN)
    clipped: Floats = np.clip(found, -limit, limit)
    return clipped


class _Ising(torch.nn.Module):
    """Log-odds of each tag, linear in the predictions of all tags and in the other tags."""

    def __init__(self, width: int) -> None:
        super().__init__()
        wide = torch.float64
        self.field = torch.nn.Parameter(torch.eye(width, dtype=wide))
        self.coupling = torch.nn.Parameter(torch.zeros(width, width, dtype=wide))
        self.offset = torch.nn.Parameter(torch.zeros(width, dtype=wide))
        self.others = 1 - torch.eye(width, dtype=wide)

    def forward(self, field: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        return field @ self.field + told @ (self.coupling * self.others) + self.offset

    def fit(
        self,
        field: torch.Tensor,
        told: torch.Tensor,
        present: torch.Tensor,
        known: torch.Tensor,
    ) -> None:
        optimizer = torch.optim.LBFGS(
            self.parameters(), max_iter=_STEPS, line_search_fn="strong_wolfe"
        )

        def cost() -> torch.Tensor:
            optimizer.zero_grad()
            losses = F.binary_cross_entropy_with_logits(
                self(field, told), present, known, reduction="sum"
            )
            total = losses / len(field)
            total = total + _STRENGTH * (self.field**2).sum() + _STRENGTH * (self.coupling**2).sum()
            total.backward()  # type: ignore[no-untyped-call]
            return total

        optimizer.step(cost)  # type: ignore[no-untyped-call]


def _trees(logits: Floats, told: Floats, tags: Tags, folds: Codes) -> Floats:
    """(N, K) log-odds of boosted trees, one model a tag and fold."""
    found = np.zeros(logits.shape)
    for column in range(logits.shape[1]):
        features = np.column_stack([logits, np.delete(told, column, axis=1)])
        target, known = tags.values[:, column], tags.known[:, column]
        for fold in range(NUM_FOLDS):
            held = folds == fold
            rows = known & ~held
            found[held, column] = _boosted(features[rows], target[rows], features[held])
    return found


def _boosted(features: Floats, target: NDArray[np.int8], asked: Floats) -> Floats:
    """(n,) log-odds that the target is 1, for the rows of ``asked``."""
    share = float(target.mean()) if len(target) else 0.5
    if share in (0.0, 1.0):
        return np.full(len(asked), logit(np.clip(share, _CERTAIN, 1 - _CERTAIN)))
    model = HistGradientBoostingClassifier(
        max_iter=60,
        learning_rate=0.06,
        max_leaf_nodes=8,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=0,
    ).fit(features, target)
    odds = np.asarray(model.decision_function(asked), dtype=np.float64)
    told: Floats = logit(np.clip(expit(odds), _CERTAIN, 1 - _CERTAIN))
    return told
