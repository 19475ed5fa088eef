"""Whether a model is as sure as it is right."""

import numpy as np

from chaffinch.core.errors import InputError
from chaffinch.core.types import Floats, Mask


def expected_calibration_error(confidence: Floats, correct: Mask, bins: int = 15) -> float:
    """Mean distance of confidence and accuracy over bins of equal width (Guo et al., ICML 2017).

    Args:
        confidence: (N,) greatest probability of each sample, 0..1; NaN is left out.
        correct: (N,) whether it is that of the label.
        bins: How many.

    Returns:
        In 0..1, 0 = calibrated; NaN where there is no sample.

    Raises:
        InputError: Lengths that differ, or no bins.
    """
    if len(confidence) != len(correct) or bins < 1:
        raise InputError(
            "as many confidences as answers, and at least one bin",
            f"{len(confidence)}, {len(correct)} and {bins} bins",
            "Align them by sample",
        )
    known = np.isfinite(confidence)
    sure, right = np.asarray(confidence[known], dtype=np.float64), correct[known]
    if not len(sure):
        return float("nan")
    # As published, a bin holds its upper edge.
    at = np.clip(np.ceil(sure * bins).astype(np.int64) - 1, 0, bins - 1)
    gaps = np.bincount(at, sure - right, minlength=bins)
    return float(np.abs(gaps).sum() / len(sure))
