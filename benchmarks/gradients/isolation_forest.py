"""Isolation forest on real last-layer gradients: virtual columns against the dense matrix.

Run: python -m benchmarks.gradients.isolation_forest [--samples 50000] [--threads 1 2]

An MLP with 512 hidden units is trained for two epochs on MNIST with 10 % of flips; its gradients
are N x 5,130. Chaffinch's forest reads single columns of the product of two factors; scikit-learn's
needs the matrix. Trees of 256 samples: 100 of them (median of 3) and 1,000 (once).
"""

import argparse

import numpy as np
import torch
from scipy.stats import spearmanr
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from torch import nn

from benchmarks.data import load_or_exit
from benchmarks.gradients.measure import median_seconds
from benchmarks.markdown import table
from chaffinch.corruptions import uniform_flips
from chaffinch.scorers.outliers.isolation_forest import VirtualColumns, isolation_scores


def factors(samples: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Output errors (N, 10), hidden activations (N, 512) and which labels were flipped."""
    mnist = load_or_exit("mnist")
    X = torch.from_numpy(mnist.samples[:samples].reshape(samples, -1) / np.float32(255))
    labels, errors = uniform_flips(mnist.labels[:samples], 0.1, seed=0)
    y = torch.from_numpy(labels)
    torch.manual_seed(0)
    body, head = nn.Sequential(nn.Linear(784, 512), nn.ReLU()), nn.Linear(512, 10)
    optimizer = torch.optim.Adam([*body.parameters(), *head.parameters()], 1e-3)
    for _ in range(2):
        for rows in torch.randperm(samples).split(128):  # type: ignore[no-untyped-call]
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(head(body(X[rows])), y[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    with torch.no_grad():
        h = body(X)
        d = head(h).softmax(1) - nn.functional.one_hot(y, 10)
    return d.numpy(), h.numpy(), errors


def ours(d: np.ndarray, h: np.ndarray, seed: int = 0, trees: int = 100) -> np.ndarray:
    """Scores from factors; turning them into columns is part of the price."""
    return isolation_scores(VirtualColumns.of(d, h, bias=True), seed, trees)


def dense(d: np.ndarray, h: np.ndarray, jobs: int, seed: int = 0, trees: int = 100) -> np.ndarray:
    """Scores from the formed matrix."""
    wide = np.concatenate([h, np.ones((len(h), 1), np.float32)], axis=1)
    matrix = (d[:, :, None] * wide[:, None, :]).reshape(len(d), -1)
    forest = IsolationForest(
        n_estimators=trees, max_samples=256, random_state=seed, n_jobs=jobs
    ).fit(matrix)
    return np.asarray(-forest.score_samples(matrix))


def times(d: np.ndarray, h: np.ndarray, trees: int, threads: int, rounds: int) -> dict[str, float]:
    """Median seconds of both."""
    contenders = {
        "fast": lambda: ours(d, h, trees=trees),
        "slow": lambda: dense(d, h, threads, trees=trees),
    }
    return median_seconds(contenders, threads, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=50_000)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--no-agreement", action="store_true", help="times only")
    arguments = parser.parse_args()
    d, h, errors = factors(arguments.samples)
    rows = []
    for trees, rounds in ((100, 3), (1000, 1)):
        for threads in arguments.threads:
            seconds = times(d, h, trees, threads, rounds)
            fast, slow = seconds["fast"], seconds["slow"]
            figures = [f"{fast:.2f}", f"{slow:.2f}", f"{fast / slow:.2f}"]
            rows.append([f"{trees:,}", str(threads), *figures])
    heading = ["trees", "threads", "chaffinch s", "matrix + scikit-learn s", "ratio"]
    print(table(heading, rows), flush=True)
    if arguments.no_agreement:
        return
    rows = []
    for trees in (100, 1000):
        a, b = (ours(d, h, seed, trees) for seed in (0, 1))
        c, e = (dense(d, h, 2, seed, trees) for seed in (0, 1))
        ranks = [spearmanr(x, y).statistic for x, y in ((a, c), (a, b), (c, e))]
        aurocs = [roc_auc_score(errors, scores) for scores in (a, c)]
        rows.append([str(trees), *(f"{value:.3f}" for value in ranks + aurocs)])
    print()
    print("Rank correlations; two seeds of one forest differ by chance alone.\n")
    heading = ["trees", "chaffinch, scikit-learn", "chaffinch, two seeds"]
    heading += ["scikit-learn, two seeds", "AUROC of flips, chaffinch", "AUROC, scikit-learn"]
    print(table(heading, rows))


if __name__ == "__main__":
    main()
