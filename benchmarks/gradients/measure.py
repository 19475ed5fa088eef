"""Fair timing: all contenders take turns, in each of several rounds, in one process."""

import statistics
import time
from collections.abc import Callable, Mapping

import torch


def median_seconds(
    contenders: Mapping[str, Callable[[], object]], threads: int, rounds: int = 5
) -> dict[str, float]:
    """Median wall-clock seconds of each contender, after one warm-up call each."""
    torch.set_num_threads(threads)
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for act in contenders.values():
        act()
    for _ in range(rounds):
        for name, act in contenders.items():
            start = time.perf_counter()
            act()
            taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in taken.items()}
