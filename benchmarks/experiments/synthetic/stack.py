"""Many small binary nets trained at once, each with its own sample weights.

Adam works number by number, so K nets in one tensor take the very steps that each would take
alone. Retraining without some samples is a weight of zero on them: same start, same number of
steps, for every method that is compared.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from chaffinch.core.errors import InputError
from chaffinch.core.randomness import stream

BETAS = (0.9, 0.999)
EPSILON = 1e-8


@dataclass(frozen=True)
class Recipe:
    """How the nets are trained: Adam with an L2 penalty added to the gradient.

    Attributes:
        steps: Updates.
        rate: Learning rate.
        decay: Strength of the penalty.
        checkpoints: How often, evenly over the steps, the nets are looked at.
        batch: Samples a step, the same for all nets; None for all of them.
    """

    steps: int = 5000
    rate: float = 1e-3
    decay: float = 1e-4
    checkpoints: int = 50
    batch: int | None = None


@dataclass(frozen=True, eq=False)
class Stack:
    """K nets I - B - B - 1 with ReLU and no bias in the last layer; B = 0 for a linear model.

    Attributes:
        flat: (K, P) all parameters: weights and biases of the first layer, of the second, and the
            last layer's weights.
        inputs: I.
        width: B.
    """

    flat: Tensor
    inputs: int
    width: int

    def __len__(self) -> int:
        return len(self.flat)

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the parameters in flat order."""
        if not self.width:
            return [(self.inputs,)]
        wide = self.width
        return [(wide, self.inputs), (wide,), (wide, wide), (wide,), (wide,)]

    @property
    def parts(self) -> list[Tensor]:
        """The parameters, each (K, *shape); views."""
        sizes = [math.prod(shape) for shape in self.shapes]
        split = torch.split(self.flat, sizes, dim=1)
        return [
            part.view(len(self), *shape) for part, shape in zip(split, self.shapes, strict=True)
        ]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Run all nets on N samples.

        Args:
            x: (I, N) samples, one a column.

        Returns:
            (K, N) logits of class 1, (K, B, N) inputs of the last layer (the samples themselves for
            a linear model), and (K, B, N) outputs of the first layer.
        """
        wide = x.expand(len(self), *x.shape)
        if not self.width:
            return (self.parts[0].unsqueeze(1) @ wide).squeeze(1), wide, wide
        w1, b1, w2, b2, w3 = self.parts
        first = torch.baddbmm(b1.unsqueeze(2), w1, wide).relu_()
        second = torch.baddbmm(b2.unsqueeze(2), w2, first).relu_()
        return (w3.unsqueeze(1) @ second).squeeze(1), second, first

    def gradient(self, x: Tensor, y: Tensor, weights: Tensor) -> Tensor:
        """(K, P) gradient of each net's weighted mean of binary cross-entropies.

        Args:
            x: (I, N) samples, one a column.
            y: (N,) labels 0 or 1, or (K, N).
            weights: (K, N) weights; those of a net are divided by their sum.
        """
        logits, second, first = self.forward(x)
        share = weights / weights.sum(1, keepdim=True).clamp_min(1e-12)
        slope = ((torch.sigmoid(logits) - y) * share).unsqueeze(1)
        last = (slope @ second.transpose(1, 2)).squeeze(1)
        if not self.width:
            return last
        _, _, w2, _, w3 = self.parts
        at_second = (w3.unsqueeze(2) * slope).mul_(second > 0)
        at_first = (w2.transpose(1, 2) @ at_second).mul_(first > 0)
        parts = [
            (at_first @ x.T).flatten(1),
            at_first.sum(2),
            (at_second @ first.transpose(1, 2)).flatten(1),
            at_second.sum(2),
            last,
        ]
        return torch.cat(parts, 1)


def start(inputs: int, width: int, count: int, seed: int) -> Stack:
    """K untrained nets with one and the same start: uniform within 1 / sqrt(fan-in).

    Args:
        inputs: I.
        width: B; 0 for a linear model, which starts at zero.
        count: K.
        seed: Decides the weights.
    """
    if not width:
        return Stack(torch.zeros(count, inputs), inputs, 0)
    random = stream(seed, "weights of the small nets")
    fans = [(width * inputs, inputs), (width, inputs), (width * width, width), (width, width)]
    fans.append((width, width))
    drawn = [random.uniform(-1, 1, size) / math.sqrt(fan) for size, fan in fans]
    flat = torch.from_numpy(np.concatenate(drawn)).float()
    return Stack(flat.repeat(count, 1), inputs, width)


OnCheckpoint = Callable[[int, Stack], None]
"""Called with the number of the checkpoint, from 0, and the nets as they are then."""


def train(
    stack: Stack,
    data: tuple[Tensor, Tensor],
    weights: Tensor,
    recipe: Recipe,
    on_checkpoint: OnCheckpoint | None = None,
    *,
    seed: int = 0,
) -> Stack:
    """Train all nets for the same steps.

    Args:
        stack: K nets; left as they are.
        data: (N, I) samples, and (N,) or (K, N) labels 0 or 1.
        weights: (K, N) weights of the samples in the loss of each net.
        recipe: How to train.
        on_checkpoint: Sees the nets on the way, and after the last step.
        seed: Decides the order of the samples where steps see a batch; the nets share it.

    Raises:
        InputError: A net none of whose samples counts.
    """
    if not bool((weights.sum(1) > 0).all()):
        raise InputError("a sample to train on for every net", "only zeros", "Trim fewer samples")
    x, y = data[0].T.contiguous().to(stack.flat), data[1].to(stack.flat)
    weights = weights.to(stack.flat)
    nets = Stack(stack.flat.clone(), stack.inputs, stack.width)
    mean, square = torch.zeros_like(nets.flat), torch.zeros_like(nets.flat)
    due = checkpoint_steps(recipe)
    batches = _batches(x.shape[1], recipe, seed)
    for step in range(1, recipe.steps + 1):
        gradient = nets.gradient(*_rows(x, y, weights, next(batches)))
        gradient.add_(nets.flat, alpha=recipe.decay)
        mean.lerp_(gradient, 1 - BETAS[0])
        square.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
        root = square.sqrt().div_(math.sqrt(1 - BETAS[1] ** step)).add_(EPSILON)
        nets.flat.addcdiv_(mean, root, value=-recipe.rate / (1 - BETAS[0] ** step))
        if on_checkpoint is not None and step in due:
            on_checkpoint(due[step], nets)
    return nets


def checkpoint_steps(recipe: Recipe) -> dict[int, int]:
    """The number of each checkpoint by the step after which it is made; the last step is one."""
    count = min(recipe.checkpoints, recipe.steps)
    return {math.ceil((i + 1) * recipe.steps / count): i for i in range(count)}


def _batches(samples: int, recipe: Recipe, seed: int) -> Iterator[Tensor | None]:
    random = stream(seed, "batches of the small nets")
    while True:
        if recipe.batch is None or recipe.batch >= samples:
            yield None
            continue
        order = torch.from_numpy(random.permutation(samples))
        yield from torch.split(order, recipe.batch)


def _rows(
    x: Tensor, y: Tensor, weights: Tensor, index: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    if index is None:
        return x, y, weights
    return x[:, index], y[..., index], weights[:, index]
