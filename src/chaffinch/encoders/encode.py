"""`encode`: the features of samples, on their own."""

from typing import Any

import numpy as np
import torch

from chaffinch.core.errors import InputError
from chaffinch.core.types import Floats
from chaffinch.data import open_data
from chaffinch.encoders.compute import compute_features
from chaffinch.encoders.feature_cache import FeatureCache
from chaffinch.encoders.opening import open_encoder
from chaffinch.encoders.vectors import Vectors


def encode(
    data: Any,
    encoder: Any,
    *,
    label: str | None = None,
    id_column: str | None = None,
    text_column: str | None = None,
    length: int | None = None,
    device: str | torch.device = "auto",
    cache: bool = True,
) -> Floats:
    """Describe samples by a pre-trained encoder.

    Args:
        data: What `chaffinch.open_data` takes; or samples without labels: an array of images, a
            list of texts.
        encoder: As for `chaffinch.scan`: a folder or hub name of a Transformers model,
            ``timm:NAME``, ``MODULE:FACTORY``, a module, or a function from a batch to (B, K).
        label: Column of the labels, which are not looked at.
        id_column: Column of unique keys.
        text_column: Column(s) of the text.
        length: Maximum number of tokens per text.
        device: Where to run it: ``auto`` for a GPU where there is one, ``cpu``, ``cuda``, ...
        cache: Whether features are looked up in and added to the cache of this user.

    Returns:
        (N, K) float32 features, in the order of the data; NaN for samples that cannot be read.

    Raises:
        InputError: Data or an encoder that are not usable, or that do not fit one another.
        MissingExtraError: The library that the encoder needs is not installed.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    made = open_encoder(encoder, torch.device(device), length=length, id_column=id_column)
    if _has_no_labels(data):
        data = (data, np.zeros(len(data), np.int64))
    opened: Any = open_data(
        data, label=label, id_column=id_column, text_column=text_column, trainable=False
    )
    if isinstance(made, Vectors):
        return made.by_row(opened.ids)[0].at(opened.ids)
    examined = opened.examined() if hasattr(opened, "examined") else opened
    faults = getattr(examined, "faults", {})
    readable = np.asarray([str(name) not in faults for name in opened.ids], np.bool_)
    if not readable.any():
        raise InputError(
            f"samples that can be read in {opened.source}",
            f"none of {len(readable):,}",
            "Check them",
        )
    found = compute_features(
        made, examined.take(readable), FeatureCache.default() if cache else None
    )
    features = np.full((len(readable), found.shape[1]), np.nan, np.float32)
    features[readable] = found
    return features


def _has_no_labels(data: Any) -> bool:
    if isinstance(data, list):
        return not (len(data) == 2 and not isinstance(data[0], str))
    return isinstance(data, np.ndarray | torch.Tensor)
