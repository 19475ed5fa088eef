"""Held-out losses of frames in each epoch of training."""

import numpy as np
import torch
from torch import nn

from chaffinch.core.types import Codes, Floats

FOLDS = 4
EPOCHS = 10
_HIDDEN = 64
_BATCH = 64
_RATE = 2e-3
_LEAST = 1e-6


def loss_trajectories(
    frames: Floats,
    labels: Codes,
    sequences: Codes,
    classes: int,
    folds: int = FOLDS,
    epochs: int = EPOCHS,
    seed: int = 0,
) -> Floats:
    """(E, N, C) loss of each frame for each label, epoch by epoch, by models that never saw it.

    Sequences are held out whole: neighbouring frames are nearly copies of one another. The loss
    averaged over epochs is low for what is learned early, and high for what is learned late or
    never.

    Args:
        frames: (N, F) features.
        labels: (N,) codes.
        sequences: (N,) codes.
        classes: C.
        folds: K.
        epochs: E.
        seed: Decides every random choice.
    """
    scale = np.maximum(frames.std(axis=0), 1e-2 * max(float(frames.std()), 1e-12))
    x = torch.as_tensor((frames - frames.mean(axis=0)) / scale, dtype=torch.float32)
    y = torch.as_tensor(labels)
    number = int(sequences.max()) + 1
    fold = np.empty(number, np.int64)
    fold[np.random.default_rng(seed).permutation(number)] = np.arange(number) % folds
    losses = np.full((epochs, len(labels), classes), np.log(classes), np.float32)
    for held in range(folds):
        rows = np.flatnonzero(fold[sequences] == held)
        others = np.flatnonzero(fold[sequences] != held)
        if len(rows) and len(others):
            losses[:, rows] = _one_fold(x, y, rows, others, classes, epochs, seed + 1 + held)
    return losses


def _one_fold(
    x: torch.Tensor,
    y: torch.Tensor,
    rows: Codes,
    others: Codes,
    classes: int,
    epochs: int,
    seed: int,
) -> Floats:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = nn.Sequential(
            nn.Linear(x.shape[1], _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, classes)
        )
        optimizer = torch.optim.Adam(model.parameters(), lr=_RATE)
        learned, held = torch.as_tensor(others), x[torch.as_tensor(rows)]
        made = []
        for _ in range(epochs):
            for batch in torch.randperm(len(learned)).chunk(max(1, -(-len(learned) // _BATCH))):
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(model(x[learned[batch]]), y[learned[batch]])
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            with torch.no_grad():
                shares = model(held).softmax(1).clamp_min(_LEAST)
                made.append(-shares.log().numpy())
    return np.stack(made)
