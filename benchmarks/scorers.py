"""Seconds of every scorer on synthetic evidence of a large run, and the peak memory of all.

    python benchmarks/scorers.py [--samples 50000] [--only NAME ...]

The evidence is written to a temporary folder and memory-mapped, as that of a scan is.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from chaffinch.core.evidence import Evidence
from chaffinch.core.labels import Labels
from chaffinch.scorers import SCORERS, choose
from chaffinch.store import EvidenceFolder


def make_evidence(folder: Path, n: int, m: int, c: int, e: int, i: int) -> Evidence:
    """Classes as blobs in the features, outputs that grow surer, and 10 % wrong labels."""
    random = np.random.default_rng(0)
    store = EvidenceFolder(folder)
    truth = random.integers(0, c, n)
    codes = np.where(random.random(n) < 0.1, random.integers(0, c, n), truth)
    held = random.integers(0, c, m)
    centres = random.normal(size=(c, i)).astype(np.float32)

    def record(name: str, shape: tuple[int, ...], fill: Any) -> None:
        array = store.array(name, shape)
        for first in range(shape[0]):
            array[first] = fill(first)
        array.flush()  # type: ignore[attr-defined]

    def answers(of: Any) -> Any:
        return lambda epoch: np.eye(c)[of] * 6 * (epoch + 1) / e + random.normal(size=(len(of), c))

    def features(of: Any) -> Any:
        return lambda epoch: np.abs(
            centres[of] * (epoch + 1) / e + random.normal(size=(len(of), i))
        ).astype(np.float32)

    for name, of in (("logits", truth), ("held_out_logits", truth)):
        record(name, (e, n, c), answers(of))
    record("validation_logits_by_epoch", (e, m, c), answers(held))
    record("features_by_epoch", (e, n, i), features(truth))
    record("validation_features_by_epoch", (e, m, i), features(held))
    record("ensemble_logits", (3, n, c), answers(truth))
    for name in ("dropout_logits", "held_out_dropout_logits"):
        record(name, (5, n, c), answers(truth))
    names = [path.stem for path in folder.glob("*.npy")]
    arrays: dict[str, Any] = {name: store.open(name) for name in names}
    by_epoch = arrays["features_by_epoch"]
    arrays |= {
        "features": np.array(by_epoch[-1]),
        "embeddings": features(truth)(e - 1),
        "feature_norms": np.stack([np.linalg.norm(one, axis=1) for one in by_epoch]),
        "learning_rates": np.full(e, 1e-2, np.float32),
        "validation_logits": np.array(arrays["validation_logits_by_epoch"][-1]),
        "validation_features": np.array(arrays["validation_features_by_epoch"][-1]),
        "validation_embeddings": features(held)(e - 1),
        "validation_codes": held,
        "fake_class_margins": random.normal(size=(2, n)).astype(np.float32),
        "fake_class_members": random.permuted(
            np.arange(2 * n).reshape(2, n) % (c + 1) == 0, axis=1
        ),
    }
    ids = np.arange(n).astype(np.str_)
    return Evidence(ids, Labels(codes, np.arange(c)), **arrays)


def peak() -> float:
    """Largest resident memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    sizes = {"samples": 50_000, "targets": 2_000, "classes": 10, "epochs": 20, "inputs": 128}
    for name, default in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--only", nargs="*", default=["all"])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        evidence = make_evidence(Path(folder), *(getattr(given, name) for name in sizes))
        before, total = peak(), 0.0
        print(f"{len(SCORERS)} scorers; {', '.join(f'{k} {getattr(given, k)}' for k in sizes)}")
        print("What scorers share (neighbours, influence) counts for the first that needs it.")
        for choice in choose(given.only):
            start = time.perf_counter()
            choice.scorer(evidence)
            seconds = time.perf_counter() - start
            total += seconds
            print(f"{choice.scorer.name:32} {seconds:8.2f} s   peak {peak():7.0f} MiB", flush=True)
    print(f"{'total':32} {total:8.2f} s   peak {peak():7.0f} MiB (evidence alone {before:.0f})")


if __name__ == "__main__":
    main()
