"""Features of a scan's samples: by a pre-trained encoder, or vectors that the user has."""

from typing import Any

import numpy as np
import torch

from chaffinch.core.dataset import Dataset
from chaffinch.core.types import Floats, Mask
from chaffinch.encoders.compute import compute_features
from chaffinch.encoders.feature_cache import FeatureCache
from chaffinch.encoders.opening import open_encoder
from chaffinch.encoders.vectors import Vectors
from chaffinch.models.column import MAX_DEVIATIONS
from chaffinch.models.inputs import DenseInputs
from chaffinch.pipeline.options import ScanOptions

_WIDEST = 5.0
"""Times the upper quartile of spreads: few columns shall not decide alone who is near whom."""


class FeatureReader:
    """Gives the features of the samples of one scan.

    Args:
        options: Name the encoder.
        device: Where to run it.
        whole: All samples, also those that are not judged: vectors by row are theirs.
        validation: The validation samples that are used, or None.
        used: (M,) which of all validation samples these are.

    Raises:
        InputError: No such encoder, or vectors of other samples.
        MissingExtraError: The library that it needs is not installed.
    """

    def __init__(
        self,
        options: ScanOptions,
        device: torch.device,
        whole: Dataset,
        validation: Dataset | None,
        used: Mask,
    ) -> None:
        made = open_encoder(
            options.features_by, device, length=options.length, id_column=options.id_column
        )
        self._cache = FeatureCache.default() if options.cache else None
        self._encoder: Any = made
        self._known: list[tuple[Dataset, Floats]] = []
        self._validation = validation
        if isinstance(made, Vectors):
            places = None if validation is None else np.arange(len(used)).astype(np.str_)
            self._own, self._other = made.by_row(whole.ids, places)
            self._names = np.zeros(0, np.str_)
            if validation is not None:
                by_row = made.ids is None
                self._names = np.flatnonzero(used).astype(np.str_) if by_row else validation.ids

    def features(self, data: Dataset) -> Floats:
        """(n, K) features of samples of this scan, computed once for each set.

        Raises:
            InputError: Samples that the encoder cannot read, or of which there is no vector.
        """
        for seen, features in self._known:
            if seen is data:
                return features
        if not isinstance(self._encoder, Vectors):
            found = compute_features(self._encoder, data, self._cache)
        elif data is self._validation:
            found = self._other.at(self._names)
        else:
            found = self._own.at(data.ids)
        self._known.append((data, found))
        return found


class FeatureScaler:
    """Centre features and bring them to one scale, so that the encoder's distances stay.

    Columns are not standardised one by one: those in which samples hardly differ would count as
    much as the others. Only columns that vary far more than most are brought down.

    Args:
        features: (N, K) features of the training samples.
    """

    def __init__(self, features: Floats) -> None:
        values = features.astype(np.float64)
        self._mean = values.mean(axis=0)
        spread = values.std(axis=0)
        varying = spread[spread > 0] if spread.any() else np.ones(1)
        widest = _WIDEST * float(np.quantile(varying, 0.75))
        typical = float(np.sqrt(np.mean(np.square(np.minimum(varying, widest)))))
        self._scale = typical * np.maximum(1.0, spread / widest)

    def encode(self, features: Floats) -> DenseInputs:
        """(n, K) features of any samples as inputs of a head."""
        scaled = (features - self._mean) / self._scale
        limited = np.clip(scaled, -MAX_DEVIATIONS, MAX_DEVIATIONS).astype(np.float32)
        return DenseInputs(torch.from_numpy(limited))
