"""The slow, obvious twin: one `torch.func.grad` a sample, in float64, and every operation dense."""

import torch
from torch import nn
from torch.func import functional_call, grad

torch.set_num_threads(1)
TOLERANCE = 1e-10


def relative_error(found, true):
    assert found.shape == true.shape, (found.shape, true.shape)
    if not true.numel():
        return 0.0
    return float((found - true).abs().max() / true.abs().max().clamp(min=1e-30))


def agree(found, true):
    error = relative_error(found, true)
    assert error <= TOLERANCE, error


def squares(outputs, targets):
    """A loss whose errors differ at every position; works for outputs of any shape."""
    gaps = outputs.flatten(1) - targets[:, None]
    return (gaps.square() + gaps.sin()).sum(1)


def truth(model, x, y, loss, names=None):
    """(N, P) gradients of each sample alone, in the order of `named_parameters`."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    wanted = {
        name: parameter.detach()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and (names is None or name in names)
    }

    def single(parameters, one_x, one_y):
        return loss(functional_call(model, parameters, (one_x,)), one_y).sum()

    rows = []
    for i in range(len(y)):
        found = grad(single)(wanted, x[i : i + 1], y[i : i + 1])
        rows.append(torch.cat([found[name].detach().flatten() for name in wanted]))
    for module, mode in modes.items():
        module.training = mode
    count = sum(parameter.numel() for parameter in wanted.values())
    return torch.stack(rows) if rows else torch.zeros(0, count, dtype=torch.float64)


def check_operations(block, dense, seed=0):
    """Every operation of a block against the same on its dense matrix."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    count, size = dense.shape
    assert (len(block), block.num_parameters, block.shape) == (count, size, (count, size))
    agree(block.dense(), dense)
    agree(block.self_dot(), dense.square().sum(1))
    agree(block.norm(2), dense.norm(dim=1))
    agree(block.norm(1), dense.abs().sum(1))
    agree(block.dot(block), dense @ dense.T)
    weights = draw(3, count)
    agree(block.weighted_sum(weights), weights @ dense)
    agree(block.weighted_sum(weights[0].numpy()), weights[0] @ dense)
    agree(block.weighted_sum(), dense.sum(0))
    matrix = draw(size, 4)
    agree(block @ matrix, dense @ matrix)
    agree(block.matvec(matrix[:, :1]), dense @ matrix[:, :1])
    agree(block @ matrix[:, 0], dense @ matrix[:, 0])
    for j in torch.randint(size, (4,), generator=generator).tolist():
        agree(block.column(j), dense[:, j])
    agree(block.column(-1), dense[:, -1])
    columns = torch.randint(size, (7,), generator=generator)
    every = torch.arange(count)[:, None]
    agree(block.columns(every, columns), dense[every, columns])
    if count:
        order = torch.randint(count, (5,), generator=generator)
        agree(block.take(order).dense(), dense[order])
        agree(block.take(slice(1, 3)).dot(block), dense[1:3] @ dense.T)


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def settle(module):
    """Random numbers in every parameter and statistic, so that none hides an error by being 0."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for tensor in [*module.parameters(), *module.buffers()]:
            if tensor.is_floating_point():
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.2)
    return module.double()


def net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1),
        nn.BatchNorm2d(3),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Flatten(),
        nn.Linear(48, 5),
        nn.ReLU(),
        nn.Linear(5, 3),
    ).double()
