"""The validation samples of a watch: their gradient by the last layer, and the outputs for them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from chaffinch.core.errors import InputError
from chaffinch.core.option import real
from chaffinch.core.randomness import stream
from chaffinch.models.forward import forward, running
from chaffinch.models.layers import InputListener, evaluation, is_linear
from chaffinch.training.watching.measures import Head, head_gradient, measure, widened
from chaffinch.training.watching.observer import ValidationRecord
from chaffinch.training.watching.options import WatchOptions

EVERY = 50
"""Steps between two refreshes of the validation gradient."""

TURN = 128
"""Validation samples of one refresh; refreshes take turns through all of them."""

BATCH = 256
"""Validation samples in one pass of the model, where all are looked at."""

_MOST = 2048


class Validation:
    """M validation samples, in the memory of the model's device while they are needed.

    Args:
        samples: (X, y), X (M, ...) or a mapping of such arrays, y (M,) codes; or a Dataset of such
            pairs.
        seed: Decides the order in which samples take their turns.

    Raises:
        InputError: Something else, or lengths that do not agree.
    """

    def __init__(self, samples: Any, seed: int = 0) -> None:
        with running("validation samples (X, y) that are numbers", "Pass arrays or tensors"):
            x, y = _gather(samples)
            self._codes = _codes(y)
            _length(x)
        if self._codes.ndim != 1 or not len(self._codes) or len(self._codes) != _length(x):
            raise InputError(
                "validation samples (X, y) with one code a sample",
                f"X of {_length(x)} and y of shape {tuple(self._codes.shape)}",
                "Pass arrays of the same samples, or a Dataset of (x, y)",
            )
        order = stream(seed, "turns of validation samples").permutation(len(self._codes))
        self._x = x
        self._order = torch.from_numpy(order)
        self._shown = torch.from_numpy(np.sort(order[:_MOST]))
        self._turns = 0
        self._made = 0
        self.gradient: Tensor | None = None

    def latest(self, model: nn.Module, layer: nn.Linear, step: int) -> Tensor:
        """(C, I) or (C, I + 1) the validation gradient, brought up to date in time.

        Args:
            model: The model.
            layer: Its last linear layer.
            step: The number of the step in the whole training.
        """
        if self.gradient is None or step - self._made >= EVERY:
            self.refresh(model, layer)
            self._made = step
        gradient = self.gradient
        if gradient is None:
            raise AssertionError("refresh sets the gradient")
        return gradient

    def refresh(self, model: nn.Module, layer: nn.Linear) -> None:
        """Bring the gradient of the mean cross-entropy by the last layer up to date.

        The model's state is left as it was; `gradient` is (C, I) or, with a bias, (C, I + 1).
        """
        size = min(TURN, len(self._order))
        rows = self._order[(torch.arange(size) + self._turns * size) % len(self._order)]
        with evaluation(model), torch.no_grad(), InputListener(layer) as listener:
            logits = widened(self._call(model, rows))
            if listener.latest is None:
                raise InputError(
                    "a model that uses its last linear layer on validation samples",
                    "one that does not",
                    "Name another layer by cf.watch(layer=...)",
                )
            features = widened(listener.latest.flatten(1))
            if not is_linear(layer, features, logits):
                raise InputError(
                    "a model whose outputs on validation samples are those of its last linear "
                    "layer, as they are in training",
                    "others (such as probabilities in evaluation mode)",
                    "Return the same logits in both modes, or watch without influence",
                )
        residuals = measure(logits, self._codes[rows].to(logits.device)).residuals
        self.gradient = head_gradient(residuals, Head(features, layer.bias is not None))
        self._turns += 1

    def look(self, model: nn.Module) -> ValidationRecord:
        """Outputs for the validation samples (2,048 of them at most) in evaluation mode."""
        with evaluation(model), torch.no_grad():
            parts = [self._call(model, rows).float() for rows in torch.split(self._shown, BATCH)]
        logits, codes = torch.cat(parts).cpu(), self._codes[self._shown]
        loss = float(F.cross_entropy(logits, codes))
        return ValidationRecord(logits.numpy(), codes.numpy(), loss)

    def _call(self, model: nn.Module, rows: Tensor) -> Tensor:
        device = next((p.device for p in model.parameters()), torch.device("cpu"))
        if isinstance(self._x, dict):
            found = forward(model, {k: values[rows].to(device) for k, values in self._x.items()})
        else:
            found = forward(model, self._x[rows].to(device))
        logits = getattr(found, "logits", found)
        if (
            not isinstance(logits, Tensor)
            or logits.is_meta
            or logits.ndim != 2
            or len(logits) != len(rows)
        ):
            is_tensor = isinstance(logits, Tensor)
            raise InputError(
                f"logits ({len(rows)}, C) of the validation samples from the model",
                str(tuple(logits.shape)) if is_tensor else type(logits).__name__,
                "Return one row of logits a sample in evaluation mode, too",
            )
        largest = int(self._codes[rows].max())
        if largest >= logits.shape[1]:
            raise InputError(
                f"validation codes in 0..{logits.shape[1] - 1}",
                str(largest),
                "Number the classes as in training",
            )
        return logits

    def state_dict(self) -> dict[str, Any]:
        """Whose turn it is, the gradient, and when it was made."""
        return {"turns": self._turns, "made": self._made, "gradient": self.gradient}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self._turns, self._made = int(state["turns"]), int(state["made"])
        self.gradient = state["gradient"]


def _gather(samples: Any) -> tuple[Any, Any]:
    if isinstance(samples, Dataset):
        batches = list(DataLoader(samples, batch_size=BATCH))
        if not all(isinstance(one, list | tuple) and len(one) == 2 for one in batches):
            raise InputError("a validation Dataset of (x, y)", "other samples", "Wrap it in one")
        return torch.cat([x for x, _y in batches]), torch.cat([y for _x, y in batches])
    if not isinstance(samples, list | tuple) or len(samples) != 2:
        raise InputError(
            "validation=(X, y) or a Dataset of (x, y)", type(samples).__name__, "Pass such a pair"
        )
    x, y = samples
    if isinstance(x, Mapping):
        return {str(key): _tensor(values) for key, values in x.items()}, y
    return _tensor(x), y


def _tensor(values: Any) -> Tensor:
    if isinstance(values, Tensor):
        if values.is_meta:
            raise InputError("validation samples", "a tensor without values", "Load them")
        return values if values.layout == torch.strided else values.to_dense()
    return torch.as_tensor(values)


def _codes(y: Any) -> Tensor:
    given = torch.as_tensor(y)
    codes = given.long()
    if given.is_floating_point() and not torch.equal(codes.to(given.dtype), given):
        raise InputError(
            "validation samples (X, y) with one code a sample as y",
            f"{given.dtype} of shape {tuple(given.shape)} with fractions",
            "Give the class of each sample as a whole number",
        )
    return codes


def _length(x: Any) -> int:
    return len(next(iter(x.values()))) if isinstance(x, dict) else len(x)


def validation_of(options: WatchOptions, needs: frozenset[str]) -> tuple[Validation | None, float]:
    """The validation samples of a watch, and the share of steps in which influence is recorded.

    A policy that needs influence has it in every step unless a share is given.

    Raises:
        InputError: A share outside 0..1, or influence without validation samples.
    """
    given = options.get("influence")
    share = float("influence" in needs) if given is None else real("influence", given, 0, 1)
    samples = options.get("validation")
    if samples is None and (share or "influence" in needs):
        raise InputError(
            "clean validation samples, on which influence is measured",
            "validation=None",
            "Pass validation=(X, y)",
        )
    return (None if samples is None else Validation(samples, options.get("seed", 0))), share
