"""Slow, obvious float64 twins: materialised gradients, dense curvatures, plain solves."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jacrev, vmap


@dataclass(frozen=True)
class Case:
    """A small model with training samples and targets."""

    model: nn.Module
    data: tuple[Tensor, Tensor]
    targets: tuple[Tensor, Tensor]
    names: tuple[str, ...]


def make_case(
    samples: int = 30,
    targets: int = 6,
    inputs: int = 5,
    classes: int = 3,
    *,
    hidden: int = 0,
    bias: bool = True,
    seed: int = 0,
) -> Case:
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    if hidden:
        layers = [nn.Linear(inputs, hidden), nn.Tanh()]
    model = nn.Sequential(*layers, nn.Linear(hidden or inputs, classes, bias=bias)).double()
    x, v = torch.randn(samples, inputs).double(), torch.randn(targets, inputs).double()
    y, u = torch.randint(0, classes, (samples,)), torch.randint(0, classes, (targets,))
    last = f"{len(layers)}."
    names = tuple(name for name, _ in model.named_parameters() if name.startswith(last))
    return Case(model, (x, y), (v, u), names)


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    return nn.functional.cross_entropy(outputs, targets, reduction="none")


def flat(case: Case, names: tuple[str, ...]) -> Tensor:
    parameters = dict(case.model.named_parameters())
    return torch.cat([parameters[name].detach().flatten() for name in names])


def losses_at(case: Case, names: tuple[str, ...], theta: Tensor, data, loss=cross_entropy):
    parameters, start, chosen = dict(case.model.named_parameters()), 0, {}
    for name in names:
        size = parameters[name].numel()
        chosen[name] = theta[start : start + size].view(parameters[name].shape)
        start += size
    for name in parameters.keys() - chosen.keys():
        chosen[name] = parameters[name].detach()
    return loss(functional_call(case.model, chosen, (data[0],)), data[1])


def gradients(case: Case, names: tuple[str, ...], data, loss=cross_entropy) -> Tensor:
    """(N, P) by torch.func."""
    theta = flat(case, names)

    def single(parameters: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return losses_at(case, names, parameters, (x[None], y[None]), loss).sum()

    return vmap(grad(single), in_dims=(None, 0, 0))(theta, *data).detach()


def mean_hessian(case: Case, names: tuple[str, ...]) -> Tensor:
    def mean_loss(theta: Tensor) -> Tensor:
        return losses_at(case, names, theta, case.data).mean()

    # Reverse over reverse: the first forward-mode use warns of torch.jit, and warnings are errors.
    return jacrev(jacrev(mean_loss))(flat(case, names)).detach()


def gauss_newton(case: Case, names: tuple[str, ...]) -> Tensor:
    def outputs(theta: Tensor) -> Tensor:
        return losses_at(case, names, theta, case.data, loss=lambda out, _y: out)

    theta = flat(case, names)
    jacobian, p = jacrev(outputs)(theta), torch.softmax(outputs(theta), 1)
    curvature = torch.diag_embed(p) - p[:, :, None] * p[:, None, :]
    return torch.einsum("ncp,ncd,ndq->pq", jacobian, curvature, jacobian).detach() / len(p)


def fisher(case: Case, names: tuple[str, ...]) -> Tensor:
    g = gradients(case, names, case.data)
    return g.T @ g / len(g)


def default_damping(g: Tensor) -> float:
    return 0.1 * float(g.square().sum(1).mean()) / g.shape[1]


def bilinear(matrix: Tensor, g: Tensor, g2: Tensor, damping: float) -> Tensor:
    eye = torch.eye(len(matrix), dtype=matrix.dtype)
    return g @ torch.linalg.solve(matrix + damping * eye, g2.T)


def all_names(case: Case) -> tuple[str, ...]:
    return tuple(name for name, _ in case.model.named_parameters())


def close(found: Tensor, truth: Tensor, tolerance: float = 1e-9) -> bool:
    scale = float(truth.abs().max()) or 1.0
    return found.shape == truth.shape and float((found - truth).abs().max()) <= tolerance * scale


CURVATURES = {"exact": mean_hessian, "ggn": gauss_newton, "fisher": fisher}
