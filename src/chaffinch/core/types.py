"""Array types and letters used everywhere.

N samples, M targets, E epochs, C classes, T positions, I layer inputs, O layer outputs,
P parameters, K sketched dimensions.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Modality = Literal["table", "image", "text", "audio", "series", "array"]

Assumption = Literal["auto", "crisp", "graded"]
"""What a label is: one right class for each sample, an outcome or opinion, or unknown."""

Rule = Literal["f1", "fdr"]
"""By what samples are flagged: the best expected F1, or a bounded share of false alarms."""

Floats = NDArray[np.floating[Any]]
Codes = NDArray[np.int64]
Mask = NDArray[np.bool_]
Strings = NDArray[np.str_]
