"""How often labels are wrong, from how often the labels of nearest neighbours agree."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from chaffinch.core.types import Codes, Floats

_MAX_CLASSES_OF_TRIPLES = 100  # C x C x C frequencies are compared up to here
_ITERATIONS = 200


def consensus(
    neighbours: NDArray[np.int64], codes: Codes, num_classes: int
) -> tuple[Floats, Floats, Floats | None]:
    """Frequencies of the labels of a sample and its two nearest neighbours.

    Args:
        neighbours: (N, k) positions of neighbours, the nearest first, k >= 2.
        codes: (N,) labels.
        num_classes: C.

    Returns:
        (C,) of one label, (C, C) of a sample's and its neighbour's, and (C, C, C) of all three;
        None instead of the last for very many classes.
    """
    first = np.bincount(codes, minlength=num_classes) / len(codes)
    pairs = codes * num_classes + codes[neighbours[:, 0]]
    second = np.bincount(pairs, minlength=num_classes**2) / len(codes)
    square = second.reshape(num_classes, num_classes)
    if num_classes > _MAX_CLASSES_OF_TRIPLES:
        return first, square, None
    triples = pairs * num_classes + codes[neighbours[:, 1]]
    third = np.bincount(triples, minlength=num_classes**3) / len(codes)
    return first, square, third.reshape(num_classes, num_classes, num_classes)


def estimate_noise(
    neighbours: NDArray[np.int64], codes: Codes, num_classes: int
) -> tuple[Floats, Floats]:
    """Noise rates from the consensus of neighbours (HOC: Zhu, Song and Liu, ICML 2021).

    A sample and its two nearest neighbours are taken to share one right class i, and their labels
    to be three independent draws given it. Their joint frequencies are then
    ``sum_i p_i T_ia T_ib T_ic``; p and T are fitted to those seen by least squares.

    Args:
        neighbours: (N, k) positions of neighbours, the nearest first.
        codes: (N,) given labels.
        num_classes: C.

    Returns:
        (C, C) T, the probability of each label given the right class, and (C,) p, the frequency of
        the right classes. With fewer than three samples or two classes: no noise.
    """
    prior = np.bincount(codes, minlength=num_classes) / max(1, len(codes))
    if neighbours.shape[1] < 2 or num_classes < 2:
        return np.eye(num_classes), prior
    seen = [
        None if part is None else torch.from_numpy(np.asarray(part))
        for part in consensus(neighbours, codes, num_classes)
    ]

    def mismatch(parameters: Floats) -> tuple[float, Floats]:
        free = torch.from_numpy(np.array(parameters)).requires_grad_()
        loss = _mismatch(*_probabilities(free, num_classes), seen)
        (gradient,) = torch.autograd.grad(loss, free)
        return float(loss.detach()), gradient.numpy()

    # Begun near "mostly right": T is only known up to the order of the right classes.
    start = np.concatenate([np.log(prior + 1e-3), (3 * np.eye(num_classes)).ravel()])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # for matrices this small threads mostly wait for one another
    try:
        fitted = minimize(
            mismatch, start, jac=True, method="L-BFGS-B", options={"maxiter": _ITERATIONS}
        )
    finally:
        torch.set_num_threads(threads)
    right, transition = _probabilities(torch.from_numpy(fitted.x), num_classes)
    return transition.numpy(), right.numpy()


def _probabilities(free: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    transition = free[num_classes:].reshape(num_classes, num_classes).softmax(dim=1)
    return free[:num_classes].softmax(dim=0), transition


def _mismatch(right: Tensor, transition: Tensor, seen: list[Tensor | None]) -> Tensor:
    """Sum of squared differences, scaled so that the optimiser does not stop too early."""
    one = right @ transition
    weighted = right[:, None] * transition
    two = weighted.T @ transition
    total = one.new_zeros(())
    for made, found in ((one, seen[0]), (two, seen[1])):
        if found is not None:
            total = total + ((made - found) ** 2).sum()
    if seen[2] is not None:
        pairs = (transition[:, :, None] * transition[:, None, :]).flatten(1)
        three = (weighted.T @ pairs).reshape(seen[2].shape)
        total = total + ((three - seen[2]) ** 2).sum()
    return 1e4 * total


def wrong_shares(transition: Floats, right: Floats, codes: Codes) -> Floats:
    """(C,) share of the samples with each label whose label is wrong: 1 - P(right = j | label = j).

    By Bayes: ``P(right = j | label = j) = T_jj p_j / P(label = j)``; 0 for labels without samples.
    """
    given = np.bincount(codes, minlength=len(right)) / max(1, len(codes))
    kept = np.divide(
        np.diagonal(transition) * right, given, out=np.ones(len(right)), where=given > 0
    )
    wrong: Floats = np.clip(1 - kept, 0, 1)
    return wrong
