"""Slow, obvious versions of what a watch records, one sample at a time, in float64."""

import math

import numpy as np
import torch


def measures_of(logits, label, features=None, bias=True):
    """A dict of the records of one sample from its logits (C,), label (code or (C,)), input."""
    z = np.asarray(logits, dtype=np.float64)
    soft = np.ndim(label) == 1
    p = np.exp(z - z.max())
    p = p / p.sum()
    code = int(np.argmax(label)) if soft else int(label)
    target = np.asarray(label, dtype=np.float64) if soft else np.eye(len(z))[code]
    others = [z[k] for k in range(len(z)) if k != code]
    found = {
        "loss": -sum(t * math.log(q) for t, q in zip(target, p, strict=True) if t),
        "margin": z[code] - (max(others) if others else 0.0),
        "probability": float((p * target).sum()),
        "entropy": -sum(q * math.log(q) for q in p if q),
    }
    if features is not None:
        h = np.append(np.asarray(features, dtype=np.float64), [1.0] if bias else [])
        found["feature_norm"] = float(np.linalg.norm(features))
        found["gradient_norm"] = float(np.linalg.norm(np.outer(p - target, h)))
    return found


def head_gradient_of(model, layer, x, y):
    """The flat gradient of the mean cross-entropy by the last layer, from torch."""
    loss = torch.nn.functional.cross_entropy(model(x), y)
    own = [layer.weight] if layer.bias is None else [layer.weight, layer.bias]
    return torch.cat([part.flatten() for part in torch.autograd.grad(loss, own)])


def make_net(width=5, classes=3, bias=True, dtype=torch.float64, seed=0):
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Linear(width, 7), torch.nn.Tanh(), torch.nn.Linear(7, classes, bias=bias)
    ).to(dtype)


def make_data(count=24, width=5, classes=3, dtype=torch.float64, seed=0):
    random = np.random.default_rng(seed)
    x = torch.from_numpy(random.normal(size=(count, width))).to(dtype)
    return x, torch.from_numpy(random.integers(0, classes, count))
