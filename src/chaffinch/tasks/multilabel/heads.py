"""The default model: a small network with one output per tag, on features of any medium."""

import math
from collections.abc import Callable

import numpy as np
import torch

from chaffinch.core.errors import InputError
from chaffinch.core.types import Floats
from chaffinch.losses import TAG_LOSSES, BinaryCrossEntropy, DistributionBalanced
from chaffinch.models.defaults import FeatureMLP
from chaffinch.models.inputs import DenseInputs
from chaffinch.tasks.multilabel.tags import Tags
from chaffinch.training.loop import Schedule, StateFile, Task, Training, train
from chaffinch.training.recorder import evaluate

LOSS = "binary_cross_entropy"
"""The loss by default: the other ones bend the outputs, which are to be calibrated."""

_RATE = 2e-3
_EPOCHS, _LEAST_STEPS = 20, 300
_SHARE_OF_BATCH = 40

Predict = Callable[[Floats], Floats]
"""From features (m, I) to log-odds (m, K)."""


def fit_heads(features: Floats, tags: Tags, seed: int = 0, loss: str = LOSS) -> Predict:
    """Train a network with one hidden layer to predict tags.

    Args:
        features: (n, I) of the samples to learn.
        tags: Theirs; unknown ones cost nothing.
        seed: Decides weights, order and dropout.
        loss: A name of `chaffinch.losses.TAG_LOSSES`.

    Returns:
        What predicts the log-odds (m, K) of m other samples from their features (m, I). Those of
        tags that are all known and alike are constant.

    Raises:
        InputError: An unknown loss, or no sample with a known tag.
    """
    rows = np.flatnonzero(tags.labelled)
    if not len(rows):
        raise InputError("samples with known tags to learn from", "none", "Label some samples")
    middle, spread = features[rows].mean(axis=0), np.maximum(features[rows].std(axis=0), 1e-6)

    def scaled(given: Floats) -> DenseInputs:
        return DenseInputs(torch.from_numpy(((given - middle) / spread).astype(np.float32)))

    counts = tags.take(rows).counts
    taught = np.flatnonzero((counts > 0) & (counts < tags.known[rows].sum(axis=0)))
    told = tags.values[rows][:, taught]
    known = np.maximum((tags.values[rows] >= 0).sum(axis=0), 1)
    constant = np.log((counts + 0.5) / (known - counts + 0.5))

    def make() -> BinaryCrossEntropy:
        if (kind := TAG_LOSSES[loss]) is DistributionBalanced:
            return DistributionBalanced(counts[taught].tolist(), len(rows))
        return kind()

    model = None
    if len(taught):
        task = Task(
            scaled(features[rows]),
            torch.from_numpy(told.astype(np.float32)),
            lambda: FeatureMLP(features.shape[1], len(taught)),
            _schedule(len(rows)),
            torch.device("cpu"),
            loss=make,
        )
        training = Training("tags", torch.arange(len(rows)), seed)
        model = train(task, training, lambda *_: None, StateFile(None))

    def predict(given: Floats) -> Floats:
        odds = np.repeat(constant[None], len(given), axis=0)
        if model is not None:
            odds[:, taught] = evaluate(model, scaled(given), torch.arange(len(given)), None).logits
        return odds

    return predict


def _schedule(size: int) -> Schedule:
    batch = min(128, max(16, 2 ** round(math.log2(max(1, size / _SHARE_OF_BATCH)))))
    epochs = max(_EPOCHS, math.ceil(_LEAST_STEPS / math.ceil(size / batch)))
    return Schedule(epochs, batch, _RATE)
