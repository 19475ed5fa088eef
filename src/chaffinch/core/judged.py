"""The columns of findings that follow from the probabilities of the kinds."""

from typing import Any

import numpy as np
import pandas as pd

from chaffinch.core.kinds import HARMFUL, KINDS, PROBABILITY_COLUMNS, WRONG_LABEL, place
from chaffinch.core.types import Codes, Floats, Mask


def harm(probabilities: Floats) -> Floats:
    """(N,) probability that the sample does harm: the sum over the harmful kinds."""
    columns = [place(kind) for kind in HARMFUL]
    total: Floats = np.clip(probabilities[:, columns].sum(axis=1), 0, 1)
    return total


def wrong_label(probabilities: Floats) -> Floats:
    """(N,) probability that the label is wrong."""
    total: Floats = probabilities[:, [place(kind) for kind in WRONG_LABEL]].sum(axis=1)
    return total


def likeliest(probabilities: Floats, flagged: Mask) -> Codes:
    """(N,) column of the kind to name; among the harmful ones for flagged samples.

    A flagged sample may be most likely clean (expected F1 flags at less than a half); its kind is
    the harmful one that it most likely has, and its probability says how sure that is.
    """
    harmful = np.isin(KINDS, HARMFUL)
    masked = np.where(flagged[:, None] & ~harmful, -1.0, probabilities)
    named: Codes = masked.argmax(axis=1)
    return named


def judged_columns(
    kinds: Floats, flagged: Mask, q: Floats, suggestions: Any, shares: Floats
) -> dict[str, Any]:
    """Columns of the findings table by name, in their order.

    Args:
        kinds: (N, 9) probability of each kind, in the order of `KINDS`.
        flagged: (N,) whether the sample is flagged.
        q: (N,) q-values.
        suggestions: (N,) array, likeliest class beside the given one.
        shares: (N,) how likely it is if the label is wrong.
    """
    kind = likeliest(kinds, flagged)
    confidence = wrong_label(kinds) * shares
    named = (flagged & np.isin(np.asarray(KINDS)[kind], WRONG_LABEL)) | (confidence > 0.5)
    return {
        "suspicion": harm(kinds),
        "flagged": flagged,
        "kind": np.asarray(KINDS, dtype=object)[kind],
        "kind_probability": kinds[np.arange(len(kinds)), kind],
        # A column that keeps its type and is missing where nothing is suggested.
        "suggested_label": pd.Series(pd.array(suggestions)).where(named),
        "suggestion_confidence": np.where(named, confidence, np.nan),
        "q_value": q,
        **dict(zip(PROBABILITY_COLUMNS, kinds.T, strict=True)),
    }
