"""The map of the data: every sample as a point, so that alike samples lie together.

t-SNE (van der Maaten and Hinton, 2008), started from the principal components (Kobak and Berens,
2019), lays out a sample of the data; every other point goes to the weighted mean of its nearest
neighbours among these. Few samples, or samples that are all the same, are shown by their principal
components.
"""

import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from chaffinch.core.errors import ChaffinchError
from chaffinch.core.evidence import Evidence
from chaffinch.core.randomness import stream
from chaffinch.core.types import Floats
from chaffinch.store import EvidenceFolder
from chaffinch.store.run import EVIDENCE, RunFolder

MAP = "map.parquet"

_LANDMARKS = 1000
_LEAST = 60
_COMPONENTS = 30
_NEIGHBOURS = 6
_BLOCK = 4096
_ITERATIONS = 300


@dataclass(frozen=True, eq=False)
class Projection:
    """Where the samples lie.

    Attributes:
        ids: (N,) which samples; those that were not judged are missing.
        points: (N, 2) float32 in 0..1.
        method: ``t-SNE`` or ``PCA``.
    """

    ids: NDArray[np.str_]
    points: NDArray[np.float32]
    method: str


def project(vectors: Floats, seed: int = 0) -> tuple[NDArray[np.float32], str]:
    """Lay samples out in the plane.

    Args:
        vectors: (N, K) finite descriptions of the samples.
        seed: Decides every random choice.

    Returns:
        (N, 2) in 0..1, and the method: ``t-SNE`` or ``PCA``.
    """
    scale = vectors.std(axis=0, dtype=np.float64)
    centred = np.asarray((vectors - vectors.mean(axis=0)) / (scale.max() or 1.0), np.float32)
    size = min(_COMPONENTS, *centred.shape)
    if len(centred) < 2 or size < 1 or not scale.max() > 0:
        return np.full((len(centred), 2), 0.5, np.float32), "PCA"
    solver = PCA(size, svd_solver="randomized", random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # no variance left to explain
        reduced = np.asarray(solver.fit_transform(centred), np.float32)
    if len(reduced) < _LEAST or size < 3:
        flat = np.zeros((len(reduced), 2), np.float32)
        flat[:, : min(2, size)] = reduced[:, :2]
        return _fitted(flat), "PCA"
    order = stream(seed, "map").permutation(len(reduced))[:_LANDMARKS]
    chosen = reduced[np.sort(order)]
    perplexity = min(30.0, len(chosen) / 4)
    tsne = TSNE(init="pca", perplexity=perplexity, max_iter=_ITERATIONS, random_state=seed)
    laid = np.asarray(tsne.fit_transform(chosen), np.float32)
    return _fitted(_placed(reduced, chosen, laid)), "t-SNE"


def projection_of(run: RunFolder) -> Projection | None:
    """The map of a run; made and kept in its folder where it is not there yet.

    Returns:
        None where nothing describes the samples.
    """
    file = run.path / MAP
    if file.is_file():
        with suppress(OSError, ValueError, KeyError):
            kept = pd.read_parquet(file)
            points = kept[["x", "y"]].to_numpy(np.float32)
            method = str(kept["method"].iloc[0]) if len(kept) else "PCA"
            return Projection(kept["id"].to_numpy().astype(np.str_), points, method)
    try:
        evidence = EvidenceFolder(run.path / EVIDENCE).load()
    except (ChaffinchError, OSError):
        return None
    vectors = described(evidence)
    if vectors is None:
        return None
    points, method = project(vectors, run.record.seed)
    made = Projection(np.asarray(evidence.ids).astype(np.str_), points, method)
    _keep(file, made)
    return made


def described(evidence: Evidence) -> Floats | None:
    """(N, K) what tells which samples are alike: embeddings, else features; None for neither."""
    for vectors in (evidence.embeddings, evidence.features):
        if vectors is not None and vectors.ndim == 2 and len(vectors) and vectors.shape[1]:
            return vectors
    return None


def _keep(file: Path, made: Projection) -> None:
    """Keep it for the next report; a folder that cannot be written to is no reason to fail."""
    x, y = made.points.T
    table = pd.DataFrame({"id": made.ids.astype(object), "x": x, "y": y, "method": made.method})
    draft = file.with_name(file.name + ".draft")
    with suppress(OSError):
        table.to_parquet(draft, index=False)
        draft.replace(file)


def _placed(
    vectors: NDArray[np.float32], landmarks: NDArray[np.float32], laid: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(N, 2) weighted mean of the places of the nearest landmarks; a landmark keeps its own."""
    out = np.empty((len(vectors), 2), np.float32)
    norms = (landmarks**2).sum(axis=1)
    near = min(_NEIGHBOURS, len(landmarks))
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK]
        squares = (block**2).sum(axis=1)[:, None] + norms - 2 * block @ landmarks.T
        which = np.argpartition(squares, near - 1, axis=1)[:, :near]
        found = np.maximum(np.take_along_axis(squares, which, axis=1), 0)
        weight = 1 / (found + 1e-4 * found.max(axis=1, keepdims=True) + 1e-9)
        weight /= weight.sum(axis=1, keepdims=True)
        out[start : start + _BLOCK] = (laid[which] * weight[:, :, None]).sum(axis=1)
    return out


def _fitted(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """The points in 0..1, the few furthest ones drawn to the rim."""
    low, high = np.percentile(points, [0.1, 99.9], axis=0)
    middle, span = (low + high) / 2, float((high - low).max()) or 1.0
    fitted: NDArray[np.float32] = np.clip(0.5 + 0.96 * (points - middle) / span, 0, 1)
    return fitted.astype(np.float32)
