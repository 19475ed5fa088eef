"""Exact self-influence (squared gradient norms of all layers) of a CNN of 34k parameters.

Run: python -m benchmarks.gradients.self_influence [--samples 1000] [--threads 1 2]

Chaffinch against plain ``vmap(grad)`` in its best batch size and captum's TracInCP with hooks
(left out where captum is not installed), N = 1,000 images of 3 x 32 x 32, median of 5, at 1 and 2
threads; then the relative errors of each against a float64 loop over single samples.
"""

import argparse
import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.utils.data import TensorDataset

from benchmarks.gradients.measure import median_seconds
from benchmarks.markdown import table
from chaffinch.gradients import squared_norms

try:
    from captum.influence import TracInCP
except ImportError:
    TracInCP = None


def cnn(normalised: bool) -> nn.Sequential:
    """Three convolutions with pooling and a linear layer; with batch and group norm on request."""
    torch.manual_seed(0)
    norms = {0: nn.BatchNorm2d(16), 1: nn.GroupNorm(4, 32), 2: nn.BatchNorm2d(64)}
    layers: list[nn.Module] = []
    for place, (inputs, outputs) in enumerate([(3, 16), (16, 32), (32, 64)]):
        layers.append(nn.Conv2d(inputs, outputs, 3, padding=1))
        layers += [norms[place]] if normalised else []
        layers += [nn.ReLU(), nn.MaxPool2d(2)]
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(1024, 10))
    for name, buffer in model.named_buffers():  # mean and variance of each norm, in this order
        if name.endswith("running_mean"):
            nn.init.uniform_(buffer, -0.1, 0.1)
        elif name.endswith("running_var"):
            nn.init.uniform_(buffer, 0.5, 1.5)
    return model.eval()


def by_vmap(model: nn.Module, x: Tensor, y: Tensor, size: int) -> Tensor:
    """The plain way: per-sample gradients of all parameters by `torch.func`."""
    weights = {name: parameter.detach() for name, parameter in model.named_parameters()}

    def loss(chosen: dict[str, Tensor], one_x: Tensor, one_y: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(model, chosen, (one_x[None],)), one_y[None])

    each, parts = vmap(grad(loss), in_dims=(None, 0, 0)), []
    for rows in torch.arange(len(x)).split(size):  # type: ignore[no-untyped-call]
        found = each(weights, x[rows], y[rows])
        parts.append(sum(value.flatten(1).square().sum(1) for value in found.values()))
    return torch.cat(parts)


def by_captum(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """TracInCP at one checkpoint with learning rate 1, on hooks of linear and conv layers."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = str(Path(folder) / "weights.pt")
        torch.save(model.state_dict(), path)
        tracin = TracInCP(
            model, TensorDataset(x, y), [path],
            checkpoints_load_func=lambda *_: 1.0,
            loss_fn=nn.CrossEntropyLoss(reduction="sum"), batch_size=100,
            sample_wise_grads_per_batch=True,
        )  # fmt: skip
        norms: Tensor = tracin.self_influence()
        return norms


def truth(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """(N,) squared norms in float64, one sample at a time."""
    model = model.double()
    norms: list[Tensor] = []
    for one_x, one_y in zip(x.double(), y, strict=True):
        loss = F.cross_entropy(model(one_x[None]), one_y[None])
        found = torch.autograd.grad(loss, list(model.parameters()))
        norms.append(sum((value.square().sum() for value in found), torch.zeros(())))
    model.float()
    return torch.stack(norms)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--samples", type=int, default=1000)
    arguments = parser.parse_args()
    count = arguments.samples
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(count, 3, 32, 32, generator=generator)
    y = torch.randint(10, (count,), generator=generator)
    times, errors = [], []
    for normalised in (False, True):
        model = cnn(normalised)
        size = sum(parameter.numel() for parameter in model.parameters())
        kind = f"CNN{' with batch and group norm' if normalised else ''}, {size:,} parameters"
        contenders: dict[str, Callable[[], Tensor]]
        contenders = {"chaffinch": partial(squared_norms, model, (x, y))}
        for size in (50, 100, 250):
            contenders[f"vmap(grad), batches of {size}"] = partial(by_vmap, model, x, y, size)
        if TracInCP is not None:
            contenders["captum TracInCP"] = partial(by_captum, model, x, y)
        for threads in arguments.threads:
            taken = median_seconds(contenders, threads)
            best = min(time for name, time in taken.items() if name.startswith("vmap"))
            for name, time in taken.items():
                row = [kind, threads, name, f"{1000 * time:.0f}"]
                times.append([*row, f"{time / best:.2f}"])
        exact = truth(model, x, y)
        for name, act in contenders.items():
            error = ((act().double() - exact) / exact).abs()
            errors.append([kind, name, f"{error.median():.1e}", f"{error.max():.1e}"])
    print(table(["net", "threads", "method", "ms", "ratio to the best vmap(grad)"], times))
    print()
    print(table(["net", "method", "median relative error", "largest"], errors))


if __name__ == "__main__":
    main()
