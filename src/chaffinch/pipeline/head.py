"""The head that is trained on features: a linear one, or a small network where that is better."""

import math
from dataclasses import replace

import numpy as np
import torch
from scipy.special import log_softmax
from torch import Tensor, nn

from chaffinch.core.randomness import stream
from chaffinch.core.types import Codes, Floats
from chaffinch.models.defaults import FeatureMLP, LinearHead
from chaffinch.models.factory import ModelFactory
from chaffinch.models.inputs import Inputs
from chaffinch.training.loop import Schedule, StateFile, Task, Training, train
from chaffinch.training.recorder import evaluate

_HELD_OUT = 5
_LEAST_SAMPLES = 200
"""Fewer say too little of which head is better; the linear one has less to overfit."""

_MOST_SAMPLES = 10_000


def linear_rate(width: int) -> float:
    """Peak rate of a linear head on K features: a step moves logits alike, however many there are.

    Few features need large weights, which AdamW reaches by steps of the size of the rate.
    """
    return 0.1 / math.sqrt(width)


def head_factory(hidden: bool, width: int, num_classes: int) -> ModelFactory:
    """Makes the head for K features and C classes."""
    if hidden:
        return lambda: FeatureMLP(width, num_classes)
    return lambda: LinearHead(width, num_classes)


def prefers_hidden(
    inputs: Inputs, codes: Codes, num_classes: int, schedule: Schedule, device: torch.device
) -> bool:
    """Whether a network with a hidden layer predicts held-out labels better than a linear head.

    Both learn four fifths of at most 10,000 samples; the log-likelihood of the labels of the others
    decides, and it must be higher by more than its standard error. Wrong labels among them cost
    both alike.

    Args:
        inputs: N samples.
        codes: (N,) given labels.
        num_classes: C.
        schedule: How the network would be trained.
        device: Where.
    """
    if len(codes) < _LEAST_SAMPLES:
        return False
    # Not by the seed of the scan: scans of the same features shall compare.
    order = stream(0, "head").permutation(len(codes))[:_MOST_SAMPLES]
    held = torch.from_numpy(order[::_HELD_OUT])
    rest = torch.from_numpy(np.delete(order, np.s_[::_HELD_OUT]))
    width, fits = math.prod(inputs.shape), []
    for hidden in (False, True):
        rate = schedule.learning_rate if hidden else linear_rate(width)
        task = Task(
            inputs,
            torch.from_numpy(codes),
            head_factory(hidden, width, num_classes),
            replace(schedule, learning_rate=rate),
            device,
        )
        model = train(task, Training("head", rest, 0), _nothing, StateFile(None))
        fits.append(_likelihood(model, inputs, held, codes))
    gained = fits[1] - fits[0]
    return bool(gained.mean() > gained.std() / math.sqrt(len(gained)))


def _likelihood(model: nn.Module, inputs: Inputs, rows: Tensor, codes: Codes) -> Floats:
    """(n,) log-likelihoods of the given labels of n samples."""
    logits = evaluate(model, inputs, rows, None).logits.astype(np.float64)
    told: Floats = log_softmax(logits, axis=1)[np.arange(len(rows)), codes[rows.numpy()]]
    return told


def _nothing(_epoch: int, _model: nn.Module, _rate: float) -> None:
    pass
