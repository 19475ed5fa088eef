"""The demo: real data that need no download, with errors of known place."""

from pathlib import Path
from typing import Any

import numpy as np

from chaffinch.core.labels import Labels
from chaffinch.corruptions import uniform_flips
from chaffinch.data import ImageData
from chaffinch.pipeline.request import prepare
from chaffinch.pipeline.scan import perform
from chaffinch.pipeline.scan_input import ScanInput

RATE = 0.05


def run_demo(out: Path, seed: int, overwrite: bool) -> None:
    """Scan scikit-learn's 1,797 scanned digits after making 5 % of the labels wrong.

    The scan sees the wrong labels only; which they are is used once, after it has judged, to say
    how many of them were found.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = (digits.images * (255 / 16)).round().astype(np.uint8)
    labels, errors = uniform_flips(digits.target, RATE, seed)
    data = ImageData.of_arrays(images, Labels.of(labels), source="digits of scikit-learn")
    how: dict[str, Any] = {"out": out, "seed": seed, "overwrite": overwrite, "known_errors": errors}
    perform(prepare(ScanInput.of(data, **how)))
