"""Wrong targets: Chaffinch and cleanlab on the same held-out predictions.

Run: python -m benchmarks.tasks.regression [--seeds 0 1 2 3 4] [--samples 15000]

Errors are injected into the prices of diamonds: 5 % are drawn anew from all prices, 2 % are
multiplied by ten, 2 % exchange their price with another sample; each alone, and all together. The
predictions are those of the scan. The peer is given them in dollars and as logarithms, with both of
its scores, and the best of the four counts, for each figure apart.
"""

import argparse
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

import chaffinch as cf
from benchmarks.data import need_file
from benchmarks.markdown import table
from benchmarks.peers.library import library, undisturbed
from chaffinch.core.randomness import stream
from chaffinch.core.types import Floats, Mask
from chaffinch.tasks.regression.scale import Scale

SHARES = {"redrawn": 0.05, "tenfold": 0.02, "swapped": 0.02}
CELLS = (("redrawn",), ("tenfold",), ("swapped",), ("redrawn", "tenfold", "swapped"))
_METHODS = ("outre", "residual")


def injected(right: Floats, kinds: tuple[str, ...], seed: int) -> tuple[Floats, NDArray[np.str_]]:
    """The targets with errors, no sample with two, and which error each has ("" for none)."""
    given, what = right.copy(), np.full(len(right), "", "U8")
    order = stream(seed, "regression errors").permutation(len(right))
    start = 0
    for kind in kinds:
        # An even number, so that those that are swapped come in pairs.
        rows = order[start : start + 2 * round(SHARES[kind] * len(right) / 2)]
        start += len(rows)
        if kind == "tenfold":
            given[rows] *= 10
        elif kind == "swapped":
            given[rows] = right[np.roll(rows.reshape(-1, 2), 1, axis=1).ravel()]
        else:
            given[rows] = stream(seed, "redrawn targets").choice(right, len(rows))
        what[rows] = kind
    # What drew its own value again, or one of the same value, is right.
    what[given == right] = ""
    return given, what


def peer_scores(given: Floats, center: Floats, scale: Scale) -> Iterator[Floats]:
    """(N,) suspicions by each of the peer's scores, on both scales."""
    rank = library("cleanlab.regression.rank")
    pairs = [(given, scale.to_targets(center))]
    if scale.log:
        pairs.append((scale.of_targets(given), center))
    for labels, predicted in pairs:
        for method in _METHODS:
            with undisturbed():
                scores = rank.get_label_quality_scores(labels, predicted, method=method)
            yield 1 - np.asarray(scores)


def best_f1(scores: Floats, wrong: Mask) -> float:
    """Over all thresholds."""
    hits = np.cumsum(wrong[np.argsort(-scores, kind="stable")])
    return float((2 * hits / (np.arange(1, len(wrong) + 1) + wrong.sum())).max())


def measures(scores: Floats, wrong: Mask) -> tuple[float, float]:
    """AUROC and average precision."""
    return float(roc_auc_score(wrong, scores)), float(average_precision_score(wrong, scores))


def row(kinds: tuple[str, ...], seed: int, samples: int) -> list[float]:
    """All figures of one seed; NaN for slips where there are none."""
    frame = pd.read_parquet(need_file("diamonds15k.parquet")).head(samples)
    right = frame["price"].to_numpy(np.float64)
    given, what = injected(right, kinds, seed)
    run = cf.scan(frame.assign(price=given), "price", task="regression", seed=seed)
    found, wrong = run.table, what != ""
    suspicion, flagged = found["suspicion"].to_numpy(), found["flagged"].to_numpy()
    center = np.asarray(run.records["held_out_center"])
    scores = list(peer_scores(given, center, Scale.of(given)))
    peers = np.max([measures(one, wrong) for one in scores], axis=0)
    own = 2 * (flagged & wrong).sum() / max(1, flagged.sum() + wrong.sum())
    slipped = what == "tenfold"
    undone = np.isclose(pd.to_numeric(found["suggested_label"], errors="coerce"), right)
    named = (found["kind"] == "unit_slip").to_numpy() & undone
    auroc, precision = measures(suspicion, wrong)
    told = [
        auroc,
        peers[0],
        precision,
        peers[1],
        measures(found["residual"].to_numpy(), wrong)[0],
        own,
        best_f1(suspicion, wrong),
        max(best_f1(one, wrong) for one in scores),
        named[slipped].mean() if slipped.any() else np.nan,
        suspicion.mean(),
        wrong.mean(),
    ]
    return [float(one) for one in told]


HEADS = (
    "errors",
    "AUROC",
    "peer",
    "AP",
    "peer",
    "AUROC of the residual",
    "F1 own threshold",
    "best F1",
    "peer's best F1",
    "slips named and undone",
    "rate told / true",
)


def line(label: str, seeds: list[list[float]]) -> list[str]:
    """Means over the seeds."""
    mean = np.asarray(seeds).mean(axis=0)
    cells = [f"{one:.4f}" for one in mean[:5]] + [f"{one:.3f}" for one in mean[5:8]]
    slips = "" if np.isnan(mean[8]) else f"{mean[8]:.1%}"
    return [label, *cells, slips, f"{mean[9]:.2%} / {mean[10]:.2%}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--samples", type=int, default=15_000)
    parser.add_argument(
        "--cells", type=int, nargs="+", default=range(len(CELLS)), help="rows of the table, from 0"
    )
    told = parser.parse_args()
    rows = []
    for kinds in (CELLS[place] for place in told.cells):
        found = [row(kinds, seed, told.samples) for seed in told.seeds]
        rows.append(line(" + ".join(f"{SHARES[kind]:.0%} {kind}" for kind in kinds), found))
        print(table(HEADS, rows[-1:]), flush=True)
    print(table(HEADS, rows))


if __name__ == "__main__":
    main()
