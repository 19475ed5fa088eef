"""The losses as slow and obvious as they can be: one sample and one class, in Python floats."""

import math
from dataclasses import dataclass, field

import numpy as np
import torch

from chaffinch import losses

NUM_IDS = 40


@dataclass
class SlowBatch:
    """Logits, distributions of labels and ids, row by row."""

    rows: list
    labels: list
    ids: list
    logs: list = field(init=False)

    def __post_init__(self):
        self.logs = [log_softmax(row) for row in self.rows]


def log_softmax(row):
    top = max(row)
    total = math.log(math.fsum(math.exp(z - top) for z in row)) + top
    return [z - total for z in row]


def mean(values):
    values = list(values)
    return math.fsum(values) / len(values)


def transition(num_classes):
    """An asymmetric T with zeros where there is room for them."""
    matrix = 0.7 * np.eye(num_classes)
    for true in range(num_classes):
        matrix[true, (true + 1) % num_classes] += 0.2
        matrix[true, (true * true + 2) % num_classes] += 0.1
    return matrix


def memory(num_classes):
    """(NUM_IDS, C) what early-learning regularisation remembers."""
    random = np.random.default_rng(num_classes)
    return random.dirichlet(np.ones(num_classes), NUM_IDS) * random.random((NUM_IDS, 1))


def cross_entropy(batch, i, k):
    return -batch.logs[i][k]


def blurry(batch, i, k):
    p = math.exp(batch.logs[i][k])
    return -(p**0.4) * batch.logs[i][k]


def piecewise_zero(batch, i, k):
    return -batch.logs[i][k] if math.exp(batch.logs[i][k]) >= 0.15 else 0.0


def generalized_cross_entropy(batch, i, k):
    return (1 - math.exp(batch.logs[i][k]) ** 0.7) / 0.7


def reverse_cross_entropy(batch, i, k):
    one_hot = [1.0 if j == k else 1e-4 for j in range(len(batch.logs[i]))]
    return -sum(math.exp(lp) * math.log(y) for lp, y in zip(batch.logs[i], one_hot, strict=True))


def symmetric_cross_entropy(batch, i, k):
    return 0.5 * cross_entropy(batch, i, k) + 2 * reverse_cross_entropy(batch, i, k)


def active_passive(batch, i, k):
    normalized = batch.logs[i][k] / math.fsum(batch.logs[i])
    return 3 * normalized + 0.5 * reverse_cross_entropy(batch, i, k)


def tempered_probabilities(row, t, steps):
    """By the paper's algorithm, with its own names; t > 1."""

    def exp_t(u):
        return (1 + (1 - t) * u) ** (1 / (1 - t))

    mu = max(row)
    shifted = [a - mu for a in row]
    current = shifted
    for _ in range(steps):
        z = sum(exp_t(a) for a in current)
        current = [a * z ** (1 - t) for a in shifted]
    z = sum(exp_t(a) for a in current)
    norm = -((1 / z) ** (1 - t) - 1) / (1 - t) + mu
    return [exp_t(a - norm) for a in row]


def bi_tempered(batch, i, k):
    t1, p = 0.7, tempered_probabilities(batch.rows[i], 1.3, 5)

    def log_t(u):
        return (u ** (1 - t1) - 1) / (1 - t1)

    loss = 0.0
    for j, p_j in enumerate(p):
        y = float(j == k)
        loss += y * (log_t(1.0) - log_t(p_j)) - (y ** (2 - t1) - p_j ** (2 - t1)) / (2 - t1)
    return loss


def early_learning(batch, i, k):
    p = [min(max(math.exp(lp), 1e-4), 1 - 1e-4) for lp in batch.logs[i]]
    t = memory(len(p))[batch.ids[i]]
    agreement = math.fsum(t_j * p_j for t_j, p_j in zip(t, p, strict=True))
    return cross_entropy(batch, i, k) + 3 * math.log(1 - agreement)


def bounded(lp):
    return math.log(math.exp(lp) + 1e-8)


def cores2(batch, i, k):
    return cross_entropy(batch, i, k) - 2 * mean(-bounded(lp) for lp in batch.logs[i])


def cores2_prior(batch, i, k):
    count = len(batch.logs[i])
    prior = [2 * (j + 1) / (count * (count + 1)) for j in range(count)]
    part = sum(-r * bounded(lp) for r, lp in zip(prior, batch.logs[i], strict=True))
    return cross_entropy(batch, i, k) - 0.5 * part


def label_smoothing(rate):
    def loss(batch, i, k):
        return (1 - rate) * cross_entropy(batch, i, k) + rate * mean(-lp for lp in batch.logs[i])

    return loss


def peer(batch, i, k):
    pairs = [
        sum(-share * bounded(lp) for share, lp in zip(label, logs, strict=True))
        for label in batch.labels
        for logs in batch.logs
    ]
    return cross_entropy(batch, i, k) - 0.8 * mean(pairs)


def forward_correction(batch, i, k):
    matrix = transition(len(batch.logs[i]))
    terms = [lp + math.log(matrix[j, k]) for j, lp in enumerate(batch.logs[i]) if matrix[j, k] > 0]
    top = max(terms)
    return -top - math.log(math.fsum(math.exp(term - top) for term in terms))


def backward_correction(batch, i, k):
    inverse = np.linalg.inv(transition(len(batch.logs[i])))
    return math.fsum(-inverse[k, j] * lp for j, lp in enumerate(batch.logs[i]))


def remembering(num_classes, **common):
    loss = losses.EarlyLearningRegularization(NUM_IDS, num_classes, **common)
    loss.remembered = torch.from_numpy(memory(num_classes))
    return loss


def exact_transition(num_classes):
    return torch.from_numpy(transition(num_classes))


def rising_prior(num_classes):
    return 2 * torch.arange(1, num_classes + 1).double() / (num_classes * (num_classes + 1))


CASES = {
    "active_passive": (lambda C, **c: losses.ActivePassive(3, 0.5, **c), active_passive),
    "backward_correction": (
        lambda C, **c: losses.BackwardCorrection(exact_transition(C), **c),
        backward_correction,
    ),
    "bi_tempered": (lambda C, **c: losses.BiTempered(0.7, 1.3, **c), bi_tempered),
    "blurry": (lambda C, **c: losses.Blurry(0.4, False, **c), blurry),
    "cores2": (lambda C, **c: losses.CORES2(2, 0, None, **{"warm_up": 0, **c}), cores2),
    "cores2_prior": (
        lambda C, **c: losses.CORES2(0.5, 0, None, rising_prior(C), **{"warm_up": 0, **c}),
        cores2_prior,
    ),
    "cross_entropy": (lambda C, **c: losses.CrossEntropy(**c), cross_entropy),
    "early_learning_regularization": (remembering, early_learning),
    "forward_correction": (
        lambda C, **c: losses.ForwardCorrection(exact_transition(C), **c),
        forward_correction,
    ),
    "generalized_cross_entropy": (
        lambda C, **c: losses.GeneralizedCrossEntropy(**c),
        generalized_cross_entropy,
    ),
    "label_smoothing": (lambda C, **c: losses.LabelSmoothing(0.3, **c), label_smoothing(0.3)),
    "label_smoothing_negative": (
        lambda C, **c: losses.LabelSmoothing(-4, **c),
        label_smoothing(-4),
    ),
    "peer": (lambda C, **c: losses.Peer(0.8, 0, **c), peer),
    "piecewise_zero": (lambda C, **c: losses.PiecewiseZero(0.15, **c), piecewise_zero),
    "symmetric_cross_entropy": (
        lambda C, **c: losses.SymmetricCrossEntropy(0.5, 2, **c),
        symmetric_cross_entropy,
    ),
}
"""Name of a case: (makes the loss for C classes and common options, its slow twin)."""
