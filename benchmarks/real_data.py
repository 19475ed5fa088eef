"""Real data for benchmarks and slow tests: looked up, never shipped."""

from typing import Any

import numpy as np

from chaffinch.bench.data import data_folder as folder
from chaffinch.bench.data import load_source
from chaffinch.core.errors import InputError

__all__ = ["folder", "load"]

MOST_IMAGES = 12_000


def load(name: str) -> tuple[Any, np.ndarray]:
    """Samples in a form that ``chaffinch.scan`` takes, and their labels."""
    try:
        source = load_source(name)
    except InputError as error:
        raise SystemExit(str(error)) from error
    if name in ("mnist", "fashion_mnist"):
        return source.samples[:MOST_IMAGES], source.labels[:MOST_IMAGES]
    return source.samples, source.labels
