"""What watching costs: time of an epoch under `cf.watch` by that of the plain loop.

    python -m benchmarks.watch [--rounds 9] [--batch 128] [--threads 2]

All ways of training take their turn in every round, epoch by epoch, in an order that is drawn
afresh, so that a busy machine slows them alike; the ratio is taken within a round, and the median
over the rounds is shown. Wanted: at most 1.03 for `observe`, at most 1.05 with the influence of all
samples in every tenth step.
"""

import argparse
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import chaffinch as cf
from chaffinch.core.randomness import stream
from chaffinch.models.defaults import MLP, SmallResNet
from chaffinch.training.live import Monitor

CLASSES = 10
WAYS: dict[str, Callable[["Setting"], dict[str, Any] | None]] = {
    "plain": lambda _: None,
    "observe": lambda _: {},
    "observe, alarms": lambda _: {"callbacks": [Monitor()]},
    "influence, a tenth of the steps": lambda one: {"influence": 0.1, "validation": one.validation},
    "influence, all steps": lambda one: {"influence": 1.0, "validation": one.validation},
}


@dataclass(frozen=True)
class Setting:
    """A network and its data."""

    name: str
    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    samples: int

    @property
    def data(self) -> tuple[Tensor, Tensor]:
        """Inputs and labels, both drawn at random."""
        random = stream(0, f"watch {self.name}")
        x = random.normal(size=(self.samples, *self.shape)).astype(np.float32)
        return torch.from_numpy(x), torch.from_numpy(random.integers(0, CLASSES, self.samples))

    @property
    def validation(self) -> tuple[Tensor, Tensor]:
        """The first 500 samples."""
        x, y = self.data
        return x[:500], y[:500]


SETTINGS = (
    Setting("MLP, 784-512-512-10", lambda: MLP(784, CLASSES, 512), (784,), 12_800),
    Setting("small ResNet, 32 x 32", lambda: SmallResNet((3, 32, 32), CLASSES), (3, 32, 32), 2_560),
)


def make_epoch(
    setting: Setting, options: dict[str, Any] | None, batch: int, stack: ExitStack
) -> Callable[[], float]:
    """A function that trains one epoch and returns its seconds."""
    torch.manual_seed(0)
    model = setting.make()
    x, y = setting.data
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)
    chunks = torch.arange(setting.samples).split(batch)
    watch = None
    if options is not None:
        watch = stack.enter_context(cf.watch(model, setting.samples, **options))

    def epoch() -> float:
        start = time.perf_counter()
        for ids in chunks:
            outputs = model(x[ids])
            loss = watch.loss(outputs, y[ids], ids) if watch else F.cross_entropy(outputs, y[ids])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if watch:
            watch.epoch_end()
        return time.perf_counter() - start

    return epoch


def measure(setting: Setting, rounds: int, batch: int) -> dict[str, list[float]]:
    """Seconds of each way in each round, the first round left out."""
    random = stream(0, "order of the ways")
    seconds: dict[str, list[float]] = {way: [] for way in WAYS}
    with ExitStack() as stack:
        epochs = {
            way: make_epoch(setting, options(setting), batch, stack)
            for way, options in WAYS.items()
        }
        for number in range(rounds + 1):
            for way in random.permutation(list(WAYS)):
                taken = epochs[str(way)]()
                if number:
                    seconds[str(way)].append(taken)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    print(f"| network | way | ms an epoch | ratio | quartiles |\n|{' --- |' * 5}")
    for setting in SETTINGS:
        seconds = measure(setting, chosen.rounds, chosen.batch)
        plain = np.asarray(seconds["plain"])
        for way, taken in seconds.items():
            ratio = np.asarray(taken) / plain
            low, middle, high = np.quantile(ratio, [0.25, 0.5, 0.75])
            spread = f"{low:.3f} to {high:.3f}"
            print(
                f"| {setting.name} | {way} | {1000 * np.median(taken):.0f} | {middle:.3f} "
                f"| {spread} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
