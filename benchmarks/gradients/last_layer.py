"""Norms of last-layer gradients from saved evidence: N = 50,000, I = 512, C = 10.

Run: python -m benchmarks.gradients.last_layer [--samples 50000] [--threads 1 2]

Chaffinch against forming the dense N x P matrix, median of 5, at 1 and 2 threads; peak memory of
every operation in a process of its own, in units of the factors.
"""

import argparse
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.gradients.measure import median_seconds
from benchmarks.markdown import table
from chaffinch.gradients import GradientBlock

FEATURES, CLASSES = 512, 10


def evidence(count: int) -> tuple[Tensor, Tensor]:
    """Output errors (N, C) and features (N, I)."""
    generator = torch.Generator().manual_seed(0)
    errors = torch.randn(count, CLASSES, generator=generator).softmax(1)
    errors[torch.arange(count), torch.randint(CLASSES, (count,), generator=generator)] -= 1
    return errors, torch.randn(count, FEATURES, generator=generator).relu_()


def form(errors: Tensor, features: Tensor) -> Tensor:
    """The dense matrix (N, P)."""
    weight = (errors[:, :, None] * features[:, None]).flatten(1)
    return torch.cat([weight, errors], 1)


def operations(block: GradientBlock) -> dict[str, Callable[[], object]]:
    """What is timed on the factored block."""
    some = block.take(slice(0, 1000))
    vector = torch.ones(block.num_parameters)
    return {
        "L2 norms": lambda: block.norm(2),
        "L1 norms": lambda: block.norm(1),
        "sum of gradients": lambda: block.weighted_sum(),
        "product with a vector": lambda: block @ vector,
        "one column": lambda: block.column(700),
        "dot with 1,000 gradients": lambda: block.dot(some),
        "gaussian sketch to 100": lambda: block.sketch(100),
        "kronecker sketch to 100": lambda: block.sketch(100, "kronecker"),
    }


def memory(count: int, name: str) -> float:
    """Highest resident memory added by one operation, its result left out, over the factors."""
    torch.set_num_threads(1)
    block = GradientBlock.from_last_layer(*evidence(count))
    operations(block.take(slice(0, 10)))[name]()  # loads what PyTorch loads late
    act, before, high, done = operations(block)[name], resident(), 0, threading.Event()

    def watch() -> None:
        nonlocal high
        while not done.is_set():
            high = max(high, resident())
            time.sleep(0.0005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    result = act()
    done.set()
    watcher.join()
    factors = 4 * count * (FEATURES + CLASSES)
    extra = high - before - (result.numel() * 4 if isinstance(result, Tensor) else 0)
    return 1 + max(0, extra) / factors


def resident() -> int:
    """Resident bytes of this process (Linux)."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * 4096


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--samples", type=int, default=50_000)
    parser.add_argument("--memory-of")
    arguments = parser.parse_args()
    count = arguments.samples
    if arguments.memory_of:
        print(memory(count, arguments.memory_of))
        return
    errors, features = evidence(count)
    block = GradientBlock.from_last_layer(errors, features)
    dense = {"forming the dense matrix": lambda: form(errors, features)}
    rows: dict[str, list[str]] = {name: [name] for name in [*operations(block), *dense]}
    for threads in arguments.threads:
        taken = median_seconds(operations(block), threads)
        taken |= median_seconds(dense, threads, rounds=3)
        for name, seconds in taken.items():
            ratio = seconds / taken["forming the dense matrix"]
            rows[name] += [f"{1000 * seconds:.1f}", f"{ratio:.4f}"]
    for name in operations(block):
        command = [sys.executable, "-m", "benchmarks.gradients.last_layer"]
        command += ["--samples", str(count), "--memory-of", name]
        found = subprocess.run(command, capture_output=True, text=True, check=True)
        rows[name].append(f"{float(found.stdout):.2f}")
    rows["forming the dense matrix"].append(f"{block.num_parameters / block.floats_per_sample:.1f}")
    heading = ["operation"]
    for threads in arguments.threads:
        heading += [f"ms, {threads} threads", "ratio to forming"]
    print(table([*heading, "peak memory over factors"], rows.values()))


if __name__ == "__main__":
    main()
