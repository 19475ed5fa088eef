"""Names of what a repair adds: ids of copies, and columns of weights and soft labels."""

import json

import numpy as np
from numpy.typing import NDArray

from chaffinch.core.labels import Labels
from chaffinch.core.types import Floats, Strings
from chaffinch.data.column import SOFT_LABEL, WEIGHT
from chaffinch.repair.effect import Effect

__all__ = ["SOFT_LABEL", "WEIGHT", "copy_ids", "extra_columns", "shares_text"]


def copy_ids(ids: Strings, copies: NDArray[np.int64]) -> Strings:
    """Ids of the changed copies: the n-th one of sample ``a`` is ``a+n``."""
    made = [
        f"{ids[row]}+{number + 1}"
        for row in np.flatnonzero(copies).tolist()
        for number in range(int(copies[row]))
    ]
    return np.asarray(made, dtype=np.str_)


def shares_text(shares: Floats, labels: Labels) -> str:
    """A soft label as JSON: the classes with a share and their shares."""
    pairs = zip(labels.names, shares.tolist(), strict=True)
    return json.dumps({name: round(share, 6) for name, share in pairs if share > 0})


def extra_columns(effect: Effect, labels: Labels) -> dict[str, list[float] | list[str]]:
    """The columns that tables get: weights and soft labels of all N samples, if there are any."""
    found: dict[str, list[float] | list[str]] = {}
    if effect.is_weighted:
        found[WEIGHT] = effect.weights.tolist()
    if effect.soft is not None:
        found[SOFT_LABEL] = [
            shares_text(shares, labels) if soft else ""
            for shares, soft in zip(effect.soft, effect.softened, strict=True)
        ]
    return found
