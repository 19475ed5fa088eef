"""Passes of a trained model with its dropout on (Gal and Ghahramani, ICML 2016)."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from chaffinch.core.randomness import stream
from chaffinch.models.forward import forward
from chaffinch.models.inputs import Inputs
from chaffinch.models.layers import evaluation

_BATCH = 1024
_LAYERS = (
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
)


def dropout_layers(model: nn.Module) -> list[nn.Module]:
    """The layers that drop something in training; dropout called as a function is not seen."""
    return [m for m in model.modules() if isinstance(m, _LAYERS) and m.p > 0]


@contextmanager
def _dropping(model: nn.Module) -> Iterator[None]:
    """Everything in eval mode (no batch statistics), the dropout layers alone in training mode."""
    fused = torch.backends.mha.get_fastpath_enabled()
    # In eval mode, transformer layers run a fused kernel that drops nothing.
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with evaluation(model):
            for layer in dropout_layers(model):
                layer.training = True
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


def dropout_passes(
    model: nn.Module, inputs: Inputs, rows: Tensor, seed: int, passes: int
) -> Iterator[Tensor]:
    """Outputs of each of ``passes`` passes with dropout on, as of `dropout_pass`.

    What is dropped in a pass depends on ``seed`` and its number alone.
    """
    for number in range(passes):
        own = int(stream(seed, f"dropout pass {number}").integers(2**31))
        yield dropout_pass(model, inputs, own, rows)


def dropout_pass(model: nn.Module, inputs: Inputs, seed: int, rows: Tensor | None = None) -> Tensor:
    """Outputs of one pass with dropout on; modes and the random state are restored.

    Args:
        model: The trained model, on any device.
        inputs: N encoded samples.
        seed: Decides what is dropped.
        rows: (n,) positions to evaluate; None for all N.

    Returns:
        (n, C) float32 logits on the CPU.
    """
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    devices = [device] if device.type == "cuda" else []
    chunks = torch.split(torch.arange(len(inputs)) if rows is None else rows, _BATCH)
    with torch.random.fork_rng(devices), _dropping(model), torch.no_grad():
        torch.manual_seed(seed)
        return torch.cat([forward(model, inputs.batch(c).to(device)).float().cpu() for c in chunks])
