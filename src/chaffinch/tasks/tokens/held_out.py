"""Held-out probabilities of tags, by a linear model on hashed context features."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.linear_model import SGDClassifier

from chaffinch.core.types import Codes, Floats
from chaffinch.tasks.tokens.features import token_features

FOLDS = 5
_EPOCHS = 12
# Of 1e-6, 3e-6 and 1e-5 the one with the lowest held-out log loss on given tags.
_PENALTY = 1e-5
_LEAST = 1e-6


def held_out(
    sentences: Sequence[Sequence[str]],
    tags: Codes,
    classes: int,
    folds: int = FOLDS,
    seed: int = 0,
) -> Floats:
    """(T, C) probabilities of each tag from models that saw no token of the same sentence.

    Equal sentences are in one fold, so that a copy tells nothing.

    Args:
        sentences: Tokens of each sentence.
        tags: (T,) code of each token's tag, sentence after sentence.
        classes: C.
        folds: K.
        seed: Of folds and training.
    """
    features = token_features(sentences)
    fold = np.repeat(_folds(sentences, folds, seed), [len(one) for one in sentences])
    probabilities = np.full((len(tags), classes), _LEAST)
    for held in range(folds):
        rows, others = np.flatnonzero(fold == held), np.flatnonzero(fold != held)
        if len(rows) == 0:
            continue
        known = np.unique(tags[others])
        if len(known) < 2:
            probabilities[np.ix_(rows, known)] = 1.0
            continue
        model = _model(seed + held)
        model.fit(features[others], tags[others])
        probabilities[np.ix_(rows, model.classes_)] = model.predict_proba(features[rows])
    probabilities = np.maximum(probabilities, _LEAST)
    shares: Floats = probabilities / probabilities.sum(axis=1, keepdims=True)
    return shares


def _model(seed: int) -> Any:
    return SGDClassifier(
        loss="log_loss",
        alpha=_PENALTY,
        max_iter=_EPOCHS,
        tol=None,
        average=True,
        random_state=seed,
    )


def _folds(sentences: Sequence[Sequence[str]], folds: int, seed: int) -> Codes:
    keys = ["\0".join(tokens) for tokens in sentences]
    order = sorted(set(keys), key=lambda key: hashlib.blake2b(f"{seed} {key}".encode()).digest())
    place = {key: number % folds for number, key in enumerate(order)}
    return np.array([place[key] for key in keys], np.int64)
