"""A control for points in the plane: neighbours by distance.

The library's neighbours are compared by the angle between descriptions, which suits wide
embeddings; of two numbers the angle forgets half.
"""

import numpy as np
from sklearn.neighbors import NearestNeighbors

from benchmarks.method import Scored, method
from benchmarks.situation import Situation

NEIGHBOURS = 10
_WIDEST = 16


def _is_narrow(situation: Situation) -> bool:
    embeddings = situation.evidence.embeddings
    return embeddings is not None and embeddings.shape[1] <= _WIDEST


@method("knn by distance", origin="control", runs_on=_is_narrow)
def knn_by_distance(situation: Situation, _seed: int) -> Scored:
    """Share of the ten nearest samples by Euclidean distance that have another label."""
    rows, codes = situation.evidence.need("embeddings"), situation.evidence.labels.codes
    count = min(NEIGHBOURS, len(codes) - 1)
    nearest = NearestNeighbors(n_neighbors=count).fit(rows).kneighbors(return_distance=False)
    return Scored(np.asarray(codes[nearest] != codes[:, None]).mean(1))
