"""Glitches of known place and number.

Every flip changes its label: drawing the new label among all classes, as is often done, leaves one
of C "flips" as it was and makes every figure computed from them wrong.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chaffinch.core.errors import InputError
from chaffinch.core.labels import Labels
from chaffinch.core.types import Mask


def uniform_flips(labels: Iterable[Any], rate: float, seed: int) -> tuple[NDArray[Any], Mask]:
    """Give a share of the samples another class, each other class being equally likely.

    Args:
        labels: (N,) labels of any type.
        rate: Share to flip, in 0..1; rounded to a whole number of samples.
        seed: Chooses samples and new labels.

    Returns:
        The labels (N,) with the flips, and (N,) whether each was flipped.

    Raises:
        InputError: A rate outside 0..1, or one class only.
    """
    if not 0 <= rate <= 1:
        raise InputError("a rate in 0..1", str(rate), "Pass a share, not a percentage")
    given = Labels.of(labels)
    num_classes = len(given.classes)
    if num_classes < 2:
        raise InputError("at least two classes to flip between", "one", "Pass other labels")
    random = np.random.default_rng(seed)
    chosen = random.choice(len(given), round(rate * len(given)), replace=False)
    codes = given.codes.copy()
    codes[chosen] = (codes[chosen] + random.integers(1, num_classes, len(chosen))) % num_classes
    errors = np.zeros(len(given), dtype=np.bool_)
    errors[chosen] = True
    return given.classes[codes], errors
