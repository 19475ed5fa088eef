"""Growth of the judgement with the samples: seconds, CPU seconds, peak memory, F1.

    python -m benchmarks.scale [--samples 10000 100000 1000000] [--features 128] [--classes 10]
        [--peer]

Predictions and embeddings are made up (clusters with noise, 10 % flips; ``--features 0`` for
predictions alone), and each size is judged in a fresh process. ``--peer`` measures
``cleanlab.filter.find_label_issues`` on the same predictions, in a process of its own, too. CPU
seconds are those of all cores together, and hardly depend on what else a machine does.
"""

import argparse
import importlib
import subprocess
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.judging import own_peak
from chaffinch.core.types import Codes, Floats, Mask

_PART = 50_000


def make(samples: int, features: int, classes: int) -> tuple[Codes, Codes, Floats, Floats | None]:
    """Right labels (N,), given labels (N,), probabilities (N, C) and embeddings (N, K) or None."""
    random = np.random.default_rng(0)
    truth = random.integers(0, classes, samples)
    codes = truth.copy()
    flipped = random.random(samples) < 0.1
    codes[flipped] += random.integers(1, classes, int(flipped.sum()))
    codes %= classes
    chances = np.exp(1.5 * random.normal(size=(samples, classes)).astype(np.float32))
    chances[np.arange(samples), truth] *= np.float32(np.exp(4))
    chances /= chances.sum(axis=1, keepdims=True)
    if not features:
        return truth, codes, chances, None
    centres = random.normal(size=(classes, features)).astype(np.float32)
    rows = np.empty((samples, features), np.float32)
    for start in range(0, samples, _PART):
        here = truth[start : start + _PART]
        noise = random.normal(size=(len(here), features)).astype(np.float32)
        rows[start : start + _PART] = np.maximum(centres[here] + 2 * noise, 0)
    return truth, codes, chances, rows


def judged(codes: Codes, chances: Floats, rows: Floats | None) -> tuple[Mask, Any]:
    """What Chaffinch flags (N,), and the share of true neighbours that it found."""
    import chaffinch as cf

    findings = cf.judge(codes, chances, embeddings=rows).findings
    return findings.table["flagged"].to_numpy(), findings.details.get("neighbour_recall", "")


def found_by_peer(codes: Codes, chances: Floats) -> NDArray[np.bool_]:
    """What cleanlab flags (N,)."""
    flagged: NDArray[np.bool_] = importlib.import_module("cleanlab.filter").find_label_issues(
        codes, chances, n_jobs=1
    )
    return flagged


def one(who: str, samples: int, features: int, classes: int) -> None:
    """Measure one size in this process and print a line."""
    truth, codes, chances, rows = make(samples, features, classes)
    if who == "Chaffinch":  # its imports are not the judgement
        importlib.import_module("chaffinch.runs.judge")
    else:
        importlib.import_module("cleanlab.filter")
    start, used = time.perf_counter(), time.process_time()
    recall: Any = ""
    if who == "Chaffinch":
        flagged, recall = judged(codes, chances, rows)
    else:
        flagged = found_by_peer(codes, chances)
    seconds, cpu = time.perf_counter() - start, time.process_time() - used
    wrong = truth != codes
    score = 2 * int((flagged & wrong).sum()) / max(int(flagged.sum() + wrong.sum()), 1)
    print(
        f"| {who} | {samples:,} | {seconds:.1f} | {cpu:.1f} | {own_peak():.0f} | {score:.3f} | "
        f"{recall} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--features", type=int, default=128)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--peer", action="store_true")
    parser.add_argument("--one", default="", help="(used by itself)")
    arguments = parser.parse_args()
    if arguments.one:
        one(arguments.one, arguments.samples[0], arguments.features, arguments.classes)
        return
    print("| by | samples | seconds | CPU seconds | peak MB | F1 | true neighbours found |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for samples in arguments.samples:
        for who in ("Chaffinch", *(["cleanlab"] if arguments.peer else [])):
            command = [sys.executable, "-m", "benchmarks.scale", "--one", who]
            command += ["--samples", str(samples), "--features", str(arguments.features)]
            subprocess.run([*command, "--classes", str(arguments.classes)], check=True)


if __name__ == "__main__":
    main()
