"""Recipes: which network a name stands for, and how it is trained unless a cell says otherwise."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from benchmarks.nets.encoding import Encoding
from benchmarks.nets.resnet20 import tail_factory
from benchmarks.nets.tabular import FTTransformer, TabularResNet
from chaffinch.core.errors import InputError
from chaffinch.models.defaults import MLP, SmallResNet
from chaffinch.models.factory import ModelFactory
from chaffinch.pipeline.options import ScanOptions
from chaffinch.training.schedule import Schedule

MODELS = ("mlp", "resnet", "ft_transformer", "small_resnet", "resnet20")

_TABLE_EPOCHS = 10
_TABLE_BATCH, _TABLE_RATE = 32, 1e-3
_TRANSFORMER_BATCH, _TRANSFORMER_RATE = 64, 2e-3
_TAIL_RATES = {"cifar10": 0.01}
_TAIL_RATE, _TAIL_EPOCHS, _TAIL_BATCH = 0.1, 7, 128


def factory_for(
    model: str, encoding: Encoding, num_classes: int, width: int | None = None
) -> ModelFactory:
    """What makes the untrained network of a cell.

    Args:
        model: One of `MODELS`.
        encoding: What it will read.
        num_classes: C.
        width: Of its hidden layers or tokens; None for the network's own.

    Raises:
        InputError: An unknown name, or a width for a network that has none to choose.
    """
    shape, widths = encoding.train.shape, encoding.widths
    sized: Mapping[str, Any] = {} if width is None else {"width": width}
    if model == "mlp":
        return lambda: MLP(math.prod(shape), num_classes, **sized)
    if model == "small_resnet":
        return lambda: SmallResNet(shape, num_classes, **sized)
    if model == "resnet":
        return lambda: TabularResNet(math.prod(shape), num_classes, **sized)
    if model == "ft_transformer":
        return lambda: FTTransformer(widths, num_classes, **sized)
    if model != "resnet20":
        raise InputError("the name of a network", repr(model), f"Known: {', '.join(MODELS)}")
    if sized:
        raise InputError("no width for 'resnet20'", str(width), "Leave it out")
    return tail_factory(num_classes)


def schedule_for(
    model: str, data: str, encoding: Encoding, overrides: Mapping[str, Any]
) -> Schedule:
    """How the network of a cell is trained.

    ``resnet20`` as in the study of influence signals (Myrtakis et al., 2024): plain SGD, batches of
    128, 7 epochs, rate .1 (.01 on CIFAR-10). Networks for tables: 10 epochs as there, AdamW at
    .001 and batches of 32 (the transformer .002 and 64). Others: as the tool itself trains on data
    of this size.

    Args:
        model: One of `MODELS`.
        data: Name of the data set.
        encoding: What it reads.
        overrides: Fields of the schedule that a cell decides itself.
    """
    count, shape = len(encoding.train), encoding.train.shape
    if model == "resnet20":
        rate = _TAIL_RATES.get(data, _TAIL_RATE)
        made = Schedule(_TAIL_EPOCHS, _TAIL_BATCH, rate, 0.0, optimizer="sgd", rates="constant")
    elif len(encoding.widths) > 1:
        step = _TABLE_BATCH, _TABLE_RATE
        if model == "ft_transformer":  # twice as long steps, half as many, for the time they take
            step = _TRANSFORMER_BATCH, _TRANSFORMER_RATE
        made = Schedule(_TABLE_EPOCHS, *step, rates="constant")
    else:
        is_image = len(shape) == 3
        made = ScanOptions.of().schedule("image" if is_image else "array", count, is_image)
    return replace(made, **overrides)
