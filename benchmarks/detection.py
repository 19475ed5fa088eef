"""How well injected label flips are found, with the tool's own threshold.

    python -m benchmarks.detection [--data letter,covertype] [--seeds 0,1,2] [--rate 0.1]
    python -m benchmarks.detection --data banking77 --embedder FOLDER

Flips are exact (every one changes its label) and the scan never sees which they are. F1 uses the
samples that the scan itself flagged; "best F1" is what the best threshold on the same suspicion
would reach with knowledge of the truth, "best scorer" the scorer column of highest AUROC.
"""

import argparse
import time
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_curve, roc_auc_score

import chaffinch as cf
from benchmarks.data import load_or_exit
from benchmarks.markdown import table as markdown_table

RATES = {"digits": 0.05}
TARGETS = {
    "digits": (0.997, 0.93),
    "letter": (0.999, 0.95),
    "covertype": (0.980, 0.83),
    "mnist": (0.997, 0.93),
    "sst2": (0.83, 0.40),
    "banking77": (0.95, np.nan),  # with sentence embeddings
}
MOST_IMAGES = 12_000
WITHOUT_EMBEDDER = [name for name in TARGETS if name != "banking77"]


def best_f1(errors: np.ndarray, scores: np.ndarray) -> float:
    """The highest F1 of any threshold on the scores."""
    precision, recall, _ = precision_recall_curve(errors, scores)
    return float(np.max(2 * precision * recall / np.maximum(precision + recall, 1e-12)))


def measure(name: str, rate: float, seed: int, options: dict[str, Any]) -> dict[str, float]:
    """One scan of one data set with one draw of flips."""
    source = load_or_exit(name)
    size = MOST_IMAGES if name in ("mnist", "fashion_mnist") else None
    samples, truth = source.samples[:size], source.labels[:size]
    labels, errors = cf.corruptions.uniform_flips(truth, rate, seed)
    data: Any = (samples, labels)
    if isinstance(samples, pd.DataFrame):
        data = samples.assign(label=labels)
    start = time.perf_counter()
    findings = cf.scan(data, seed=seed, **options)
    seconds = time.perf_counter() - start
    table = findings.table
    flagged = table["flagged"].to_numpy()
    suspicion = table["suspicion"].to_numpy()
    hits = (flagged & errors).sum()
    row = {
        "AUROC": roc_auc_score(errors, suspicion) if errors.any() else np.nan,
        "F1": 2 * hits / max(1, flagged.sum() + errors.sum()),
        "best F1": best_f1(errors, suspicion) if errors.any() else np.nan,
        "flagged": flagged.mean(),
        "estimated rate": findings.estimated_errors / len(table),
        "FDR": 1 - hits / max(1, flagged.sum()),
        "seconds": seconds,
    }
    if errors.any():
        scores = {s: roc_auc_score(errors, table[s]) for s in findings.scorers}
        row["best scorer"] = max(scores.values())
        row["its F1"] = best_f1(errors, table[max(scores, key=lambda s: scores[s])].to_numpy())
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default=",".join(WITHOUT_EMBEDDER))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--rate", type=float, default=None)
    parser.add_argument("--folds", type=int, default=None)
    parser.add_argument("--embedder", default=None, help="folder of a sentence encoder, for texts")
    arguments = parser.parse_args()
    options = {"folds": arguments.folds, "embedder": arguments.embedder}
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    rows = []
    for name in arguments.data.split(","):
        rate = RATES.get(name, 0.1) if arguments.rate is None else arguments.rate
        runs = [measure(name, rate, seed, options) for seed in seeds]
        mean = {str(name): float(value) for name, value in pd.DataFrame(runs).mean().items()}
        auroc, f1 = TARGETS.get(name, (np.nan, np.nan))
        goals = {"AUROC wanted": auroc, "F1 wanted": f1}
        rows.append({"data": name, "rate": rate, **mean, **goals})
        print(f"{name}: " + ", ".join(f"{k} {v:.4g}" for k, v in mean.items()), flush=True)
    print()
    cells = ([f"{v:.4f}" if isinstance(v, float) else v for v in row.values()] for row in rows)
    print(markdown_table(rows[0], cells))


if __name__ == "__main__":
    main()
