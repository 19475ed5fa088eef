"""Computing features: in batches, with a progress bar, and only those that are not known yet."""

from typing import Any

import numpy as np
import torch

from chaffinch.core.array import to_numpy
from chaffinch.core.dataset import Dataset
from chaffinch.core.errors import InputError
from chaffinch.core.progress import track
from chaffinch.core.types import Floats
from chaffinch.encoders.encoder import Encoder, Rows, Samples
from chaffinch.encoders.feature_cache import FeatureCache

_KEPT_AT_ONCE = 4096
"""An interrupted encoding goes on behind the last so many samples."""


def compute_features(encoder: Encoder, data: Dataset, cache: FeatureCache | None) -> Floats:
    """(N, K) float32 features of N samples.

    Args:
        encoder: Computes them.
        data: The samples, all of them readable. Copies are encoded once.
        cache: Where features are looked up and kept; None for nowhere.

    Raises:
        InputError: Samples of a kind that the encoder cannot read, or features that are no (B, K)
            finite numbers.
    """
    samples = encoder.present(data)
    key = None if encoder.key is None or cache is None else f"{encoder.key} {samples.form}"
    known = cache.read(key, samples.digests) if cache is not None and key is not None else {}
    missing = _missing(samples, known)
    width = len(next(iter(known.values()))) if known else None
    with track("encoding", len(missing)) as advance:
        for begin in range(0, len(missing), _KEPT_AT_ONCE):
            rows, parts = missing[begin : begin + _KEPT_AT_ONCE], []
            for start in range(0, len(rows), encoder.batch_size):
                chunk = rows[start : start + encoder.batch_size]
                found = _encoded(encoder, samples, chunk, width)
                width = found.shape[1]
                parts.append(found)
                advance(len(chunk))
            features, names = np.concatenate(parts), [samples.digests[row] for row in rows]
            if cache is not None and key is not None:
                cache.write(key, names, features)
            known |= dict(zip(names, features, strict=True))
    return np.stack([known[name] for name in samples.digests])


def _missing(samples: Samples, known: dict[str, Floats]) -> Rows:
    """The first sample of each content that is not known, in a good order to run them in."""
    first: dict[str, int] = {}
    for row, name in enumerate(samples.digests):
        if name not in known:
            first.setdefault(name, row)
    rows = np.asarray(list(first.values()), dtype=np.int64)
    return rows if samples.sizes is None else rows[np.argsort(samples.sizes[rows], kind="stable")]


def _encoded(encoder: Encoder, samples: Samples, rows: Rows, width: int | None) -> Floats:
    with torch.no_grad():
        given: Any = encoder.encode(samples.batch(rows))
    try:
        features = np.asarray(to_numpy(given), dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise _unusable(encoder, len(rows), f"a {type(given).__name__}") from error
    if features.ndim > 2 and set(features.shape[2:]) == {1}:  # what pooling leaves of images
        features = features.reshape(features.shape[:2])
    if features.ndim != 2 or len(features) != len(rows) or not features.shape[1]:
        raise _unusable(encoder, len(rows), f"shape {features.shape}")
    if width is not None and features.shape[1] != width:
        raise _unusable(encoder, len(rows), f"{features.shape[1]} columns after {width} before")
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        raise InputError(
            f"finite features from {encoder.name}",
            f"NaN or infinite ones for {int((~finite).sum())} of a batch of {len(rows)} samples, "
            f"the first in row {rows[np.flatnonzero(~finite)[0]]}",
            "Check the encoder, or drop these samples",
        )
    return features


def _unusable(encoder: Encoder, size: int, got: str) -> InputError:
    return InputError(
        f"features of shape (B, K) from {encoder.name}, one row for each of {size} samples",
        got,
        "Return one row of numbers a sample",
    )
