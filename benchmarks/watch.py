"""What watching costs: time of an epoch under `cf.watch` by that of the plain loop.

    python -m benchmarks.watch [--rounds 15] [--batch 128] [--threads 1]

All ways of training take their turn in every round, epoch by epoch, in an order that is drawn
afresh, so that a busy machine slows them alike; the ratio is taken within a round, and the median
over the rounds is shown, with quartiles: of the time on the clock, and of that of the processor,
which other programs lengthen less. The next column divides the quickest epochs. The last is
measured another way, which noise hardly reaches: the time inside of the watch's calls, less that of
the plain loss, by the epoch of the plain loop (medians); a hook on the last layer is not in it, but
on the processor there is none after the first epochs.
Wanted: 1.03 at most for `observe`, 1.05 with influence.

An epoch has 100 steps of the MLPs and 20 of the ResNet. The plain loop evaluates no validation
samples; where alarms and validation are on, the
watch does so after each epoch.
"""

import argparse
import logging
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

CLASSES = 10
WAYS: dict[str, Callable[["Setting"], dict[str, Any] | None]] = {
    "plain": lambda _: None,
    "observe": lambda _: {"boundary": "told"},
    "observe, boundaries inferred": lambda _: {"boundary": "inferred"},
    "observe, alarms": lambda _: {"alarms": True},
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
    Setting("MLP, 784-256-256-10", lambda: MLP(784, CLASSES, 256), (784,), 12_800),
    Setting("MLP, 784-512-512-10", lambda: MLP(784, CLASSES, 512), (784,), 12_800),
    Setting("small ResNet, 32 x 32", lambda: SmallResNet((3, 32, 32), CLASSES), (3, 32, 32), 2_560),
)


def make_epoch(
    setting: Setting, options: dict[str, Any] | None, batch: int, stack: ExitStack
) -> Callable[[], tuple[float, float, float]]:
    """A function that trains one epoch and returns its seconds.

    They are those on the clock, of the processor, and on the clock inside of the loss.
    """
    torch.manual_seed(0)
    model = setting.make()
    x, y = setting.data
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)
    chunks = torch.arange(setting.samples).split(batch)  # type: ignore[no-untyped-call]
    watch = None
    if options is not None:
        watch = stack.enter_context(cf.watch(model, setting.samples, **options))
    told = options is not None and options.get("boundary") != "inferred"

    def epoch() -> tuple[float, float, float]:
        inside = 0.0
        start, processor = time.perf_counter(), time.process_time()
        for ids in chunks:
            outputs, labels = model(x[ids]), y[ids]
            before = time.perf_counter()
            loss = watch.loss(outputs, labels, ids) if watch else F.cross_entropy(outputs, labels)
            inside += time.perf_counter() - before
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        before = time.perf_counter()
        if watch and told:
            watch.epoch_end()
        now = time.perf_counter()
        return now - start, time.process_time() - processor, inside + now - before

    return epoch


def measure(setting: Setting, rounds: int, batch: int) -> dict[str, np.ndarray[Any, Any]]:
    """(rounds, 3) seconds of each way; the first two rounds are left out."""
    random = stream(0, "order of the ways")
    seconds: dict[str, list[tuple[float, float, float]]] = {way: [] for way in WAYS}
    with ExitStack() as stack:
        epochs = {
            way: make_epoch(setting, options(setting), batch, stack)
            for way, options in WAYS.items()
        }
        for number in range(rounds + 2):
            for way in random.permutation(list(WAYS)):
                taken = epochs[str(way)]()
                if number > 1:
                    seconds[str(way)].append(taken)
    return {way: np.asarray(taken) for way, taken in seconds.items()}


def show(ratio: np.ndarray[Any, Any]) -> str:
    """The median and the quartiles."""
    low, middle, high = np.quantile(ratio, [0.25, 0.5, 0.75])
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    logging.getLogger("chaffinch").setLevel(logging.ERROR)  # labels at random raise alarms
    names = (
        "network | way | ms an epoch | ratio, clock | ratio, processor | of the quickest | inside"
    )
    print(f"| {names} |\n|{' --- |' * 7}")
    for setting in SETTINGS:
        seconds = measure(setting, chosen.rounds, chosen.batch)
        plain = seconds["plain"]
        for way, taken in seconds.items():
            clock, processor, _ = (taken / plain).T
            inside = np.median(taken[:, 2]) - np.median(plain[:, 2])
            quickest = taken[:, 1].min() / plain[:, 1].min()
            print(
                f"| {setting.name} | {way} | {1000 * np.median(taken[:, 0]):.0f} | {show(clock)} "
                f"| {show(processor)} | {quickest:.3f} "
                f"| {inside / np.median(plain[:, 0]):.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
