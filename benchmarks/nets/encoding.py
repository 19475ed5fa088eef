"""From images and tables to what a network reads."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from benchmarks.nets.resnet20 import trunk_features
from benchmarks.nets.trunk import TrunkInputs
from chaffinch.core.errors import InputError
from chaffinch.models.encoding import TableEncoder, TensorEncoder, encode_pixels
from chaffinch.models.inputs import DenseInputs, Inputs


@dataclass(frozen=True, eq=False)
class Encoding:
    """Training, validation and test samples as inputs of one network.

    Attributes:
        train: N samples; scales and categories are learned from these alone.
        validation: M clean samples.
        test: Clean samples.
        widths: How many columns each feature of a table became; (I,) for images.
    """

    train: Inputs
    validation: Inputs
    test: Inputs
    widths: tuple[int, ...]


def encode_splits(model: str, train: Any, validation: Any, test: Any) -> Encoding:
    """Encode three parts for a network.

    Images become frozen features for ``resnet20``, pixels for ``small_resnet`` and standardised
    columns for any other; tables become standardised numbers and one-hot categories.

    Args:
        model: Name of the network.
        train: N images as bytes or rows of a table.
        validation: M of the same kind.
        test: Of the same kind.

    Raises:
        InputError: A network for images and no images.
    """
    parts = (train, validation, test)
    if isinstance(train, pd.DataFrame):
        if model in ("resnet20", "small_resnet"):
            raise InputError(f"images for {model!r}", "a table", "Choose mlp, resnet, ...")
        return _encode_tables(*parts)
    if model == "resnet20":
        made: list[Inputs] = [TrunkInputs(trunk_features(part)) for part in parts]
    elif model == "small_resnet":
        made = [encode_pixels(part if part.ndim == 4 else part[..., None]) for part in parts]
    else:
        flat = [torch.from_numpy(_flat(part)) for part in parts]
        encoder = TensorEncoder(flat[0])
        made = [encoder.encode(part) for part in flat]
    return Encoding(made[0], made[1], made[2], (int(np.prod(made[0].shape)),))


def _encode_tables(train: pd.DataFrame, validation: pd.DataFrame, test: pd.DataFrame) -> Encoding:
    # One column at a time, to know which columns of numbers each one became.
    encoders = [TableEncoder(train[[name]]) for name in train.columns]

    def encode(frame: pd.DataFrame) -> list[torch.Tensor]:
        return [encoder.encode(frame).tensor for encoder in encoders]

    parts = [encode(frame) for frame in (train, validation, test)]
    made = [DenseInputs(torch.cat(columns, dim=1)) for columns in parts]
    return Encoding(made[0], made[1], made[2], tuple(one.shape[1] for one in parts[0]))


def _flat(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return images.reshape(len(images), -1).astype(np.float32)
