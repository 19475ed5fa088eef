"""How much closer the training samples of a label stand around a sample than validation samples.

A ratio of densities by nearest neighbours (Loftsgaarden and Quesenberry, 1965): the distance to the
second validation sample against that to the training sample that should be as far. A group that
only training puts under its label raises it; a wrong label on a single sample does not, since no
training sample of that label is near.
"""

import numpy as np
from sklearn.neighbors import NearestNeighbors

from chaffinch.core.types import Codes, Floats

NEAREST = 2
_TINY = 1e-12
_ORDINARY = 0.75


def crowding(rows: Floats, codes: Codes, reference: Floats, known: Codes) -> tuple[Floats, Floats]:
    """Log-ratio of distances for samples that no validation sample of any label stands near.

    Args:
        rows: (N, K) training samples.
        codes: (N,) their labels.
        reference: (M, K) validation samples.
        known: (M,) their labels.

    Returns:
        (N,) and (M,), higher = more of a crowd of its own label that validation lacks. Samples
        have the least value of all where validation of another label fills the place (as in a
        near cluster), and where their class has too few samples to tell.
    """
    own, any_label = _ratios(rows, codes, reference, known)
    gate = np.isfinite(any_label[len(rows) :])
    if not gate.any():
        return np.zeros(len(rows)), np.zeros(len(reference))
    ordinary = np.quantile(any_label[len(rows) :][gate], _ORDINARY)
    told = np.isfinite(own) & (any_label > ordinary)
    least = own[told].min() - 1 if told.any() else 0.0
    values = np.where(told, own, least)
    return values[: len(rows)], values[len(rows) :]


def _ratios(rows: Floats, codes: Codes, reference: Floats, known: Codes) -> tuple[Floats, Floats]:
    """Two times (N + M,): against validation samples of the same label, and of any; or -inf."""
    size = len(rows)
    own = np.full(size + len(reference), -np.inf)
    any_label = own.copy()
    search = NearestNeighbors(n_neighbors=NEAREST).fit(reference)
    away = _log(search.kneighbors(rows)[0][:, -1])
    among = _log(search.kneighbors()[0][:, -1])
    for code in np.intersect1d(codes, known):
        here, there = np.flatnonzero(codes == code), np.flatnonzero(known == code)
        # As many training samples as are to be expected within the second of validation.
        count = max(NEAREST, round(NEAREST * len(here) / len(there)))
        if len(here) <= count or len(there) <= NEAREST:
            continue
        mine = NearestNeighbors(n_neighbors=count).fit(rows[here])
        theirs = NearestNeighbors(n_neighbors=NEAREST).fit(reference[there])
        crowd = _log(mine.kneighbors()[0][:, -1])
        beside = _log(mine.kneighbors(reference[there])[0][:, -1])
        own[here] = _log(theirs.kneighbors(rows[here])[0][:, -1]) - crowd
        own[size + there] = _log(theirs.kneighbors()[0][:, -1]) - beside
        any_label[here] = away[here] - crowd
        any_label[size + there] = among[there] - beside
    return own, any_label


def _log(distances: Floats) -> Floats:
    logs: Floats = np.log(np.maximum(distances, _TINY))
    return logs
