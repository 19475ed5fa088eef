"""Random streams that do not echo one another."""

import zlib

import numpy as np

from chaffinch.core.option import whole


def stream(seed: int, purpose: str) -> np.random.Generator:
    """A generator of its own for one purpose under one seed.

    Two parts that both began ``default_rng(seed)`` would draw the same samples: folds, say, that
    follow the very flips which somebody injected under the same seed.

    Args:
        seed: The seed of the run.
        purpose: What the numbers are for; another purpose has another stream.

    Raises:
        InputError: A seed that is no integer of at least 0.
    """
    return np.random.default_rng([whole("seed", seed), zlib.crc32(purpose.encode())])
