"""What a corruption returns: the samples, and what was done to each of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chaffinch.core.labels import Labels
from chaffinch.core.types import Codes, Mask
from chaffinch.corruptions.sample import Samples, check_aligned

CLEAN = "clean"
MISLABELLED = "mislabelled"
NEAR_CLUSTER = "near_cluster"
FAR_CLUSTER = "far_cluster"
OUTLIER = "outlier"
DUPLICATE = "duplicate"
KINDS = (MISLABELLED, NEAR_CLUSTER, FAR_CLUSTER, OUTLIER, DUPLICATE)
"""The kinds of errors; an uncorrupted sample is `CLEAN`."""


@dataclass(frozen=True, eq=False)
class Corrupted:
    """Samples of which some are corrupted. The data passed in are never written to.

    Attributes:
        samples: N' samples in the form in which they came.
        labels: (N',) the labels as a detector is given them, of the type in which they came.
        kinds: (N',) kind of each sample's error (one of `KINDS`), or `CLEAN`.
        source: (N',) row of the original data that the sample is, or is a copy of; -1 where it
            comes from elsewhere.
        truth: (N',) the right label; None where no class is right.
        details: (N',) what was done, in words; empty for clean samples.
    """

    samples: Samples
    labels: NDArray[Any]
    kinds: NDArray[np.str_]
    source: NDArray[np.int64]
    truth: NDArray[np.object_]
    details: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def errors(self) -> Mask:
        """(N',) whether the sample is corrupted in any way."""
        wrong: Mask = self.kinds != CLEAN
        return wrong

    @property
    def table(self) -> pd.DataFrame:
        """One row per corrupted sample.

        Columns: position, source, kind, detail, original_label, given_label.
        """
        rows = np.flatnonzero(self.errors)
        return pd.DataFrame(
            {
                "position": rows,
                "source": self.source[rows],
                "kind": self.kinds[rows].astype(object),
                "detail": self.details[rows],
                "original_label": self.truth[rows],
                "given_label": self.labels[rows],
            }
        )

    def truth_codes(self, classes: Iterable[Any]) -> Codes:
        """(N',) the right labels as positions in ``classes``; -1 where none of them is right."""
        code_of = {value: code for code, value in enumerate(classes)}
        return np.fromiter((code_of.get(one, -1) for one in self.truth), np.int64, len(self))


def untouched(samples: Samples, labels: Iterable[Any]) -> Corrupted:
    """The data as they are, all of them clean.

    Raises:
        InputError: No sample, a missing label, or another number of labels than of samples.
    """
    given = values_of(labels)
    check_aligned(samples, given)
    truth = np.empty(len(given), dtype=object)
    truth[:] = given.tolist()
    return Corrupted(
        samples,
        given,
        np.full(len(given), CLEAN, dtype=f"<U{max(map(len, KINDS))}"),
        np.arange(len(given), dtype=np.int64),
        truth,
        np.full(len(given), "", dtype=object),
    )


def values_of(labels: Iterable[Any]) -> NDArray[Any]:
    """(N,) labels as an array of their own type, copied.

    Raises:
        InputError: No label, or a missing one.
    """
    read = Labels.of(labels)
    return np.array(labels) if hasattr(labels, "__array__") else read.values
