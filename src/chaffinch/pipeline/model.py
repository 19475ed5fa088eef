"""Which model a scan trains, how, and what reads the data for it."""

import math
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from chaffinch.core.dataset import Dataset
from chaffinch.data import TableData
from chaffinch.models.factory import ModelFactory, default_factory, factory_from, is_folder
from chaffinch.models.language.classification import TextModelFolder
from chaffinch.pipeline.encode import Encoded, Reader, encode
from chaffinch.pipeline.features import FeatureReader
from chaffinch.pipeline.head import head_factory, linear_rate, prefers_hidden
from chaffinch.pipeline.options import FoldKind
from chaffinch.pipeline.request import Request
from chaffinch.training.augmentation import shift_and_mask
from chaffinch.training.loop import Schedule

_LENGTH = 128
_STANDARDISED = (
    "The trained model was given standardised columns. If it learned from other numbers, give a "
    "torch data set of tensors, which reach the model as they are."
)


class ScanModel:
    """The model that a request asks for: the default, the user's own, or one in a folder.

    Args:
        request: What is asked for.
        device: Where it will run.

    Raises:
        InputError: A folder without a usable encoder.
        MissingExtraError: A library is wanted and not installed.
    """

    def __init__(self, request: Request, device: torch.device) -> None:
        self._request = request
        self._reader: Reader | None = None
        options = request.options
        if is_folder(request.model):
            self._reader = TextModelFolder(Path(request.model), options.length or _LENGTH, device)
        elif options.features_by is not None:
            held, used = request.validation, request.validation_used
            self._reader = FeatureReader(options, device, request.whole, held, used)
        self._device = device
        self._hidden: bool | None = None

    def encode(self, validation: Dataset | None) -> Encoded:
        """The samples of the request as the model takes them, and validation data beside them."""
        request = self._request
        encoded = encode(request.dataset, validation, request.model is not None, self._reader)
        trained = not request.options.train or bool(request.options.checkpoints)
        if trained and self._reader is None and isinstance(request.dataset, TableData):
            return replace(encoded, notes=(*encoded.notes, _STANDARDISED))
        return encoded

    def factory(self, encoded: Encoded, num_classes: int) -> ModelFactory:
        """Makes the untrained model for C classes."""
        model, shape = self._request.model, encoded.inputs.shape
        if isinstance(self._reader, TextModelFolder):
            return self._reader.factory(num_classes)
        if model is None and isinstance(self._reader, FeatureReader):
            return head_factory(self._has_hidden_layer(encoded), math.prod(shape), num_classes)
        if model is None:
            return default_factory(encoded.modality, shape, num_classes)
        return factory_from(model, shape, num_classes)

    def wider_factory(self, encoded: Encoded, num_classes: int) -> ModelFactory | None:
        """As `factory`; None for a trained or ready-made model, which has the classes it has."""
        if isinstance(self._request.model, nn.Module):
            return None
        return self.factory(encoded, num_classes)

    def schedule(self, encoded: Encoded) -> Schedule:
        """How it is trained."""
        tuned = self._reader.learning_rate if isinstance(self._reader, TextModelFolder) else None
        options, size = self._request.options, len(self._request.dataset)
        if not isinstance(self._reader, FeatureReader):
            schedule = options.schedule(encoded.modality, size, encoded.is_image, tuned)
            heard = encoded.modality == "audio" and self._request.model is None
            return replace(schedule, augment=shift_and_mask) if heard else schedule
        schedule = options.head_schedule(size)
        own_rate = options.learning_rate is not None or self._request.model is not None
        if own_rate or self._has_hidden_layer(encoded):
            return schedule
        return replace(schedule, learning_rate=linear_rate(math.prod(encoded.inputs.shape)))

    def fold_schedule(self, encoded: Encoded, schedule: Schedule) -> Schedule:
        """How the cross-validation models are trained."""
        options, size = self._request.options, len(self._request.dataset)
        return options.fold_schedule(schedule, self._fold_kind(encoded), size)

    def num_folds(self, encoded: Encoded) -> int:
        """How many of them there are."""
        counts = self._request.dataset.labels.counts
        return self._request.options.num_folds(counts, self._fold_kind(encoded))

    def _has_hidden_layer(self, encoded: Encoded) -> bool:
        if self._hidden is None:
            labels, options = self._request.dataset.labels, self._request.options
            schedule = options.head_schedule(len(labels))
            codes, count = labels.codes, len(labels.classes)
            self._hidden = prefers_hidden(encoded.inputs, codes, count, schedule, self._device)
        return self._hidden

    def _fold_kind(self, encoded: Encoded) -> FoldKind:
        if isinstance(self._reader, TextModelFolder):
            return "tuned"
        if isinstance(self._reader, FeatureReader):
            return "features"
        return "image" if encoded.is_image else encoded.modality
