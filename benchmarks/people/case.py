"""What is judged, and what is right."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Clean:
    """M validation samples with right labels that no model was trained on.

    Attributes:
        codes: (M,) their labels.
        probabilities: (M, C) predicted by models trained on the given labels, or None.
        embeddings: (M, K) or None.
    """

    codes: NDArray[np.int64]
    probabilities: NDArray[np.float32] | None
    embeddings: NDArray[np.float32] | None


@dataclass(frozen=True, eq=False)
class Case:
    """One draw of one set.

    Attributes:
        codes: (N,) given labels, 0..C-1.
        errors: (N,) whether each is wrong; False where that is not known.
        right: (N,) right labels, or None where only some samples were reviewed.
        probabilities: (N, C) out of sample, or None.
        embeddings: (N, K) or None.
        clean: Validation samples, or None.
        known: (N,) the samples for which it is known whether they are wrong, None for all.
        samples: The samples themselves, for a whole scan, or None.
        sources: (N,) who labelled each sample, or None.
    """

    codes: NDArray[np.int64]
    errors: NDArray[np.bool_]
    right: NDArray[np.int64] | None
    probabilities: NDArray[np.float32] | None = None
    embeddings: NDArray[np.float32] | None = None
    clean: Clean | None = None
    known: NDArray[np.bool_] | None = None
    samples: Any = None
    sources: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.codes)
