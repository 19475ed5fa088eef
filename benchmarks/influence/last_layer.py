"""Influence of a last layer at N = 50,000, I = 512, C = 10: seconds and peak memory.

    OMP_NUM_THREADS=2 python -m benchmarks.influence.last_layer [--samples N] [case ...]

Prints a Markdown table. Every case runs in a process of its own. Memory is the peak of the whole
process above what it was before the factors (features and errors) were made, as a multiple of the
factors. Targets count in the peak; the temporaries of drawing data and the packing buffers that
the linear algebra library keeps for each thread do not. Wall seconds are the median; CPU seconds
tell how busy a shared machine was.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import torch

import chaffinch.influence as ci
from chaffinch.influence.bilinear import mean_gradient
from chaffinch.influence.solvers.datainf import MeanInverse
from chaffinch.influence.solvers.ekfac import KroneckerInverse

CLASSES, INPUTS, TARGETS = 10, 512, 10_000
WITH_TARGETS = ("datainf", "tracin")
Run: TypeAlias = Callable[[ci.LastLayer, ci.LastLayer], None]


def make(samples: int, seed: int) -> ci.LastLayer:
    """Rectified features and the probabilities of a classifier with 10 % of its labels flipped."""
    source = torch.Generator().manual_seed(seed)
    centres = torch.randn(CLASSES, INPUTS, generator=torch.Generator().manual_seed(0))
    y = torch.randint(0, CLASSES, (samples,), generator=source)
    h = torch.randn(samples, INPUTS, generator=source).add_(centres[y], alpha=0.3).relu_()
    logits = h @ (0.15 * centres.T)
    flipped = torch.rand(samples, generator=source) < 0.1
    y = torch.where(flipped, (y + 1) % CLASSES, y)
    return ci.LastLayer.from_logits(logits, y, h)


def tracin(layer: ci.LastLayer, targets: ci.LastLayer) -> None:
    """Inner products with 10,000 targets, in tiles, each used up at once."""
    totals = torch.zeros(len(layer))
    for first in range(0, len(targets), 1000):
        some = targets.take(slice(first, first + 1000))
        for start in range(0, len(layer), 1000):
            rows = slice(start, start + 1000)
            totals[rows] += layer.dot(some, rows).sum(1)


def datainf(layer: ci.LastLayer, targets: ci.LastLayer) -> None:
    """DataInf on the mean loss of 10,000 targets."""
    vector = mean_gradient(targets.block)
    solved = MeanInverse(layer.block, None, layer).apply(vector)
    layer.block.matvec(solved.values)


def solved_self(curvature: str) -> Run:
    """Self-influence of all samples from bare evidence."""

    def run(layer: ci.LastLayer, _targets: ci.LastLayer) -> None:
        codes = (layer.probabilities - layer.errors).argmax(1)
        p, h = layer.probabilities, layer.features
        ci.last_layer_self_influence(p, codes, h, curvature=curvature)

    return run


def ekfac(layer: ci.LastLayer, _targets: ci.LastLayer) -> None:
    """Self-influence of all samples with the given labels."""
    KroneckerInverse(layer.block, layer.block, None).diagonal()


CASES: dict[str, tuple[str, Run]] = {
    "norms": ("self-influence, identity (squared norms)", solved_self("identity")),
    "ekfac": ("self-influence, EK-FAC", ekfac),
    "datainf": ("DataInf to the mean of 10,000 targets", datainf),
    "tracin": ("TracIn to 10,000 targets, each", tracin),
    "datainf-self": ("self-influence, DataInf", solved_self("datainf")),
    "fisher": ("self-influence, exact empirical Fisher", solved_self("fisher")),
    "exact": ("self-influence, exact damped Hessian (5,130 x 5,130)", solved_self("exact")),
}


def resident(which: str) -> float:
    """Memory of this process in MiB: VmRSS for now, VmHWM for the peak since `clear_peak`."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(which)) / 1024


def clear_peak() -> None:
    """Forget the peak so far (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")


def measure(case: str, samples: int, repeat: int) -> dict[str, float]:
    """Run one case in this process."""
    run = CASES[case][1]
    run(make(2000, 0), make(100, 1))
    torch.zeros(4096, 512) @ torch.zeros(512, 1024)  # makes every thread pack as large as it will
    before = resident("VmRSS")
    layer, targets = make(samples, 0), make(TARGETS if case in WITH_TARGETS else 1, 1)
    clear_peak()
    wall, processor = [], []
    for _ in range(repeat):
        start, busy = time.perf_counter(), time.process_time()
        run(layer, targets)
        wall.append(time.perf_counter() - start)
        processor.append(time.process_time() - busy)
    factors = 4 * samples * (INPUTS + CLASSES) / 2**20
    return {
        "wall": statistics.median(wall),
        "cpu": statistics.median(processor),
        "peak": resident("VmHWM") - before,
        "factors": factors,
    }


def main() -> None:
    """Measure all or some cases, and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--samples", type=int, default=50_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--single", action="store_true", help="measure here and print JSON")
    options = parser.parse_args()
    if options.single:
        print(json.dumps(measure(options.cases[0], options.samples, options.repeat)))
        return
    print(
        f"N = {options.samples:,}, I = {INPUTS}, C = {CLASSES}, {torch.get_num_threads()} threads"
    )
    print("\n| work | wall s | CPU s | peak MiB | x factors |\n|---|---|---|---|---|")
    for case in options.cases:
        command = [sys.executable, "-m", "benchmarks.influence.last_layer", case, "--single"]
        command += [f"--samples={options.samples}", f"--repeat={options.repeat}"]
        found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        ratio = found["peak"] / found["factors"]
        print(
            f"| {CASES[case][0]} | {found['wall']:.2f} | {found['cpu']:.2f} "
            f"| {found['peak']:.0f} | {ratio:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
