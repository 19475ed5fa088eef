"""The definitions, as slow and obvious as they can be: loops over Python floats."""

import math

import numpy as np


def draw(shape, seed, spread=3.0):
    """Logits (E, N, C), now and then of great size or far from zero, and labels (N,)."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=shape) * spread * 10.0 ** random.integers(-1, 2)
    logits += random.choice([0.0, 1e4, -1e4])
    return logits, random.integers(0, shape[2], shape[1])


def softmax(row):
    top = max(row)
    powers = [math.exp(z - top) for z in row]
    total = math.fsum(powers)
    return [power / total for power in powers]


def cross_entropy(row, code):
    top = max(row)
    return math.log(math.fsum(math.exp(z - top) for z in row)) + top - row[code]


def margin(row, code):
    return row[code] - max(z for k, z in enumerate(row) if k != code)


def mean(values):
    values = list(values)
    return math.fsum(values) / len(values)


def gradient(row, code, features, bias):
    """(C, I or I + 1) the explicit last-layer gradient of one sample."""
    inputs = [*features, 1.0] if bias else list(features)
    errors = [p - (k == code) for k, p in enumerate(softmax(row))]
    return np.asarray([[error * value for value in inputs] for error in errors])
