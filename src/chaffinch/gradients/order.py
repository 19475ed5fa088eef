"""The order in which a model uses its modules."""

import torch
from torch import nn

from chaffinch.gradients import fallback
from chaffinch.gradients.batch import Batch
from chaffinch.gradients.objective import Loss
from chaffinch.gradients.recorder import call, hooked


def order_of_use(model: nn.Module, batch: Batch, loss: Loss) -> list[nn.Module]:
    """Modules in the order in which they return, less those on which no loss depends.

    An auxiliary head whose output is thrown away has parameters, but no gradient: it is not the
    last layer, be it called last.

    Args:
        model: The model, in eval mode with gradients on.
        batch: A few samples (x, y); each is run alone.
        loss: One loss a sample.
    """
    trained = [one for one in model.parameters() if one.requires_grad]
    used, reached = list[nn.Module](), set[int]()
    for i in range(fallback.count(batch[1])):
        passed: list[nn.Module] = []
        with hooked(model.modules(), lambda module, *_, passed=passed: passed.append(module)):
            total = loss(call(model, fallback.row(batch[0], i)), fallback.row(batch[1], i)).sum()
        used = passed if len(passed) > len(used) else used
        if trained and total.requires_grad:
            found = torch.autograd.grad(total, trained, allow_unused=True)
            reached |= {id(p) for p, g in zip(trained, found, strict=True) if g is not None}
    idle = {id(one) for one in trained} - reached
    if not reached:
        return used
    return [one for one in used if not idle or not idle.issuperset(map(id, one.parameters()))]
