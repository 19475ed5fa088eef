"""The baselines of the paper's Table 1 as its released code runs them, quirks and all.

The label-quality scores are fed the predicted labels, so they measure doubt and not disagreement
with the given label. The influence baselines take the training samples themselves as targets, where
the sum of the gradients is about zero and signs mean nothing, and then flag the samples that are
estimated to help most. What is called exact is the empirical Fisher matrix, and LiSSA runs ten
steps with the sign of its damping turned round.
"""

import numpy as np

from benchmarks.method import Scored, method
from benchmarks.situation import Situation
from chaffinch.core.types import Floats
from chaffinch.scorers.outliers.last_layer import last_layer_gradients
from chaffinch.scorers.probability import margin, pick, softmax

LISSA_STEPS = 10
_LEAST_DAMPING = 1e-12


def _binary_without_bias(situation: Situation) -> bool:
    """The released code knows nets with one output and a last layer without a bias."""
    evidence = situation.evidence
    known = evidence.has("logits") and evidence.has("features")
    return known and len(evidence.labels.classes) == 2 and not evidence.bias


def _gradients(situation: Situation) -> tuple[Floats, float]:
    """(N, B) gradients of the sigmoid net's last layer, and the damping: a tenth of their square.

    The second half of the two-class gradient is the one-output gradient: see `observe`.
    """
    both = last_layer_gradients(situation.evidence).dense().double().numpy()
    gradients: Floats = both[:, both.shape[1] // 2 :]
    return gradients, max(float(np.square(gradients).mean()) / 10, _LEAST_DAMPING)


@method("published exact", origin="paper", runs_on=_binary_without_bias)
def published_exact(situation: Situation, _seed: int) -> Scored:
    """As published: the empirical Fisher matrix, training targets, the most helpful are flagged."""
    gradients, damping = _gradients(situation)
    fisher = gradients.T @ gradients / len(gradients) + damping * np.eye(gradients.shape[1])
    return Scored(gradients @ np.linalg.solve(fisher, gradients.mean(0)))


@method("published gradient tracing", origin="paper", runs_on=_binary_without_bias)
def published_tracing(situation: Situation, _seed: int) -> Scored:
    """As published: one checkpoint, training targets, the most helpful are flagged."""
    gradients, _ = _gradients(situation)
    return Scored(gradients @ gradients.mean(0))


@method("published lissa", origin="paper", runs_on=_binary_without_bias)
def published_lissa(situation: Situation, _seed: int) -> Scored:
    """As published: damping of the wrong sign, training targets, the most helpful are flagged."""
    gradients, damping = _gradients(situation)
    target = gradients.mean(0)
    solved = target.copy()
    for _ in range(LISSA_STEPS):
        curved = gradients.T @ (gradients @ solved) / len(gradients) - damping * solved
        solved = target + solved - curved
    return Scored(gradients @ solved)


@method("published datainf", origin="paper", runs_on=_binary_without_bias)
def published_datainf(situation: Situation, _seed: int) -> Scored:
    """As published: DataInf with training targets, the most helpful are flagged."""
    gradients, damping = _gradients(situation)
    target = gradients.mean(0)
    shares = (gradients @ target) / (damping + np.square(gradients).sum(1)) / len(gradients)
    return Scored(gradients @ (target - gradients.T @ shares) / damping)


def _probabilities(situation: Situation) -> Floats:
    return softmax(situation.evidence.need("logits")[-1])


@method("published self_confidence", origin="paper", runs_on=_binary_without_bias)
def published_confidence(situation: Situation, _seed: int) -> Scored:
    """As published: the probability of the predicted, not of the given label; in-sample."""
    p = _probabilities(situation)
    return Scored(1 - pick(p, p.argmax(1)))


@method("published normalized_margin", origin="paper", runs_on=_binary_without_bias)
def published_margin(situation: Situation, _seed: int) -> Scored:
    """As published: the margin of the predicted, not of the given label; in-sample."""
    p = _probabilities(situation)
    return Scored(-margin(p, p.argmax(1)))


@method("published weighted_entropy", origin="paper", runs_on=_binary_without_bias)
def published_entropy(situation: Situation, _seed: int) -> Scored:
    """As published: confidence-weighted entropy, confidence in the predicted label; in-sample."""
    p = _probabilities(situation)
    entropy = -(p * np.log(np.maximum(p, 1e-300))).sum(1) / np.log(2)
    return Scored(entropy / pick(p, p.argmax(1)))
