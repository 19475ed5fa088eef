"""Judging saved evidence: 50,000 samples x 512 features x 10 classes.

    python -m benchmarks.judging [--samples 50000] [--features 512] [--classes 10] [--epochs 10]

Evidence is made up (separable classes, 10 % flips), written to disk and judged in a fresh process,
whose peak memory is read from the operating system. Wanted: at most 40 s on 2 cores and at most
1.5 x the evidence plus 500 MB.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from chaffinch.core.evidence import Evidence
from chaffinch.core.labels import Labels
from chaffinch.diagnosis.judgement import judge_evidence
from chaffinch.store import EvidenceFolder


def make(folder: Path, samples: int, features: int, classes: int, epochs: int) -> None:
    """Write made-up evidence."""
    random = np.random.default_rng(0)
    truth = random.integers(0, classes, samples)
    codes = truth.copy()
    flipped = random.choice(samples, samples // 10, replace=False)
    codes[flipped] = (truth[flipped] + random.integers(1, classes, len(flipped))) % classes
    centres = random.normal(size=(classes, features)).astype(np.float32)
    noise = random.normal(size=(samples, features)).astype(np.float32)
    rows = np.maximum(centres[truth] + 2 * noise, 0)
    logits = random.normal(size=(epochs, samples, classes)).astype(np.float32)
    logits[:, np.arange(samples), truth] += 4
    norms = np.linalg.norm(rows, axis=1)
    evidence = Evidence(
        np.arange(samples).astype(np.str_),
        Labels(codes, np.arange(classes)),
        logits=logits,
        held_out_logits=logits + random.normal(size=logits.shape).astype(np.float32),
        features=rows,
        feature_norms=np.tile(norms, (epochs, 1)).astype(np.float32),
        learning_rates=np.full(epochs, 0.1, np.float32),
        # The widest description that neighbours may have to be looked up in.
        embeddings=rows,
    )
    EvidenceFolder(folder).finish(evidence)


def own_peak() -> float:
    """Peak resident MiB of this program; ``ru_maxrss`` would begin with that of its parent."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def judge(folder: Path) -> None:
    """Judge and print seconds, peak memory and size of the evidence."""
    start = time.perf_counter()
    evidence = EvidenceFolder(folder).load()
    findings = judge_evidence(evidence)
    seconds = time.perf_counter() - start
    peak = own_peak()
    size = sum(array.nbytes for array in evidence.records.values()) / 2**20
    print("| seconds | peak MiB | evidence MiB | allowed MiB | flagged |")
    print("|---|---|---|---|---|")
    print(
        f"| {seconds:.1f} | {peak:.0f} | {size:.0f} | {1.5 * size + 500:.0f} | "
        f"{int(findings.table['flagged'].sum())} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=50_000)
    parser.add_argument("--features", type=int, default=512)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--evidence", type=Path, default=None, help="(used by itself)")
    arguments = parser.parse_args()
    if arguments.evidence is not None:
        judge(arguments.evidence)
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make(folder, arguments.samples, arguments.features, arguments.classes, arguments.epochs)
        command = [sys.executable, "-m", "benchmarks.judging", "--evidence", place]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
