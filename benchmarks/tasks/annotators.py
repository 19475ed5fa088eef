"""Consensus of annotators on real answers whose truth is known, against crowd-kit where installed.

    python -m benchmarks.tasks.annotators [--seeds 5] [--peers]

The answers have no features. Those of the last rows are simulated: eight normal numbers a sample,
of which the first is shifted by ``SHIFT`` for class 1, drawn anew with each seed.
"""

import argparse
import importlib
import time
from typing import Any

import numpy as np
import pandas as pd

import chaffinch as cf
from benchmarks.data.place import data_folder
from chaffinch.tasks.annotators.answers import read_answers
from chaffinch.tasks.annotators.dawid_skene import dawid_skene

SHIFT = 1.5
WIDTH = 8
PEERS: dict[str, dict[str, Any]] = {
    "MajorityVote": {},
    "DawidSkene": {"n_iter": 1000, "tol": 1e-9},
    "GLAD": {"n_iter": 30},
}


def simulated_features(truth: pd.Series, seed: int) -> pd.DataFrame:
    """(N, 8) features that tell the class in part."""
    values = np.random.default_rng(seed).normal(size=(len(truth), WIDTH))
    values[:, 0] += SHIFT * truth.to_numpy()
    return pd.DataFrame(values, truth.index)


def row(name: str, labels: pd.Series, truth: pd.Series, **more: Any) -> dict[str, Any]:
    """One row of the table."""
    right = labels.to_numpy() == truth.loc[labels.index].to_numpy()
    return {"method": name, "accuracy": right.mean(), **more}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--peers", action="store_true")
    chosen = parser.parse_args()
    place = data_folder()
    if place is None:
        raise SystemExit("no real data: set CHAFFINCH_DATA to their folder")
    answers = pd.read_parquet(place / "crowd_product_answers.parquet")
    truth = pd.read_parquet(place / "crowd_product_truth.parquet").set_index("question")["truth"]
    right = answers["answer"] == answers["question"].map(truth)
    real = right.groupby(answers["worker"]).mean()
    runs: list[tuple[str, pd.DataFrame | None]] = [
        (method, None) for method in ("majority", "dawid-skene", "glad")
    ]
    runs += [("features", simulated_features(truth, seed)) for seed in range(chosen.seeds)]
    found = []
    for method, features in runs:
        start = time.perf_counter()
        result = cf.consensus(answers, method=method, features=features)
        seconds = time.perf_counter() - start
        quality = result.annotators.set_index("annotator")["quality"]
        correlation = np.corrcoef(quality, real.loc[quality.index])[0, 1]
        labels = result.table.set_index("id")["label"]
        found.append(row(method, labels, truth, quality=correlation, seconds=seconds))
    read = read_answers(answers)
    unsmoothed = dawid_skene(read, smoothing=0).posterior.argmax(axis=1)
    found.append(row("dawid-skene, no smoothing", pd.Series(unsmoothed, read.samples), truth))
    if chosen.peers:
        peers = importlib.import_module("crowdkit.aggregation")
        table = answers.rename(columns={"question": "task", "answer": "label"})
        for name, options in PEERS.items():
            start = time.perf_counter()
            labels = getattr(peers, name)(**options).fit_predict(table)
            seconds = time.perf_counter() - start
            found.append(row(f"crowd-kit {name}", labels, truth, seconds=seconds))
    print(pd.DataFrame(found).round(4).to_string(index=False))


if __name__ == "__main__":
    main()
