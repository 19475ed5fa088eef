"""What 200 decisions teach: 30 samples drawn at random, then 170 in the order of the review.

    python -m benchmarks.relearning [--seeds 0 1 2 3 4] [--decisions 200] [--sets letter worst]

Answers are the truth. Every ten decisions the samples are judged anew, as on the review page.
AUROC is that of the suspicion on the samples that were never decided, once with the findings of the
scan and once after the last decision; errors found are compared with looking at samples in the
order of the scan's suspicion, and at random. Wanted: +.005 AUROC, and three times the errors of
random order (where the rate of errors allows it: with 40 % wrong, 2.5 times is all there is).
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

import chaffinch as cf
from benchmarks.data import load_or_exit, need_file
from chaffinch.corruptions import uniform_flips
from chaffinch.diagnosis.relearning import relearn, worth_of_look

EVERY = 10
FIRST = 30
LETTERS = 10_000


@dataclass(frozen=True, eq=False)
class Problem:
    """Judged samples and the truth."""

    findings: cf.Findings
    embeddings: np.ndarray
    right: np.ndarray
    wrong: np.ndarray


def letter(seed: int) -> Problem:
    """Letters of which a fifth got another label; fold models are extremely random trees."""
    source = load_or_exit("letter")
    rows = np.random.default_rng(seed).permutation(len(source.labels))[:LETTERS]
    x = source.samples.to_numpy(np.float32)[rows]
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    right = np.unique(source.labels, return_inverse=True)[1][rows]
    given = np.asarray(uniform_flips(right, 0.2, seed=seed)[0])
    model = ExtraTreesClassifier(100, min_samples_leaf=2, random_state=seed)
    chances = cross_val_predict(model, x, given, cv=5, method="predict_proba")
    found = cf.judge(given, probabilities=chances, embeddings=x)
    return Problem(found.findings, x, right, given != right)


def cifar(labels: str, chances: str) -> Problem:
    """CIFAR-10N, with embeddings and fold predictions from EfficientNet features."""
    kept = np.load(need_file("cifar10n_16k_efficientnet.npz"))
    right, given = kept["y_clean"].astype(int), kept[labels].astype(int)
    held_out = kept[chances].astype(np.float64)
    held_out /= held_out.sum(axis=1, keepdims=True)
    places = kept["embedding"].astype(np.float32)
    found = cf.judge(given, probabilities=held_out, embeddings=places)
    return Problem(found.findings, places, right, given != right)


def review(problem: Problem, decisions: int, seed: int) -> tuple[list[int], cf.Findings]:
    """The rows decided, in their order, and the findings after the last one."""
    first = problem.findings
    asked = first.to_check(FIRST, seed)
    weights = dict(zip(asked["row"], asked["weight"], strict=True))
    rows = [int(row) for row in asked["row"]]
    while True:
        answers = pd.DataFrame(
            {
                "id": first.table["id"].to_numpy()[rows],
                "label": problem.right[rows],
                "weight": [weights.get(row, np.nan) for row in rows],
            }
        )
        now = relearn(first.calibrate(answers), problem.embeddings)
        if len(rows) >= decisions:
            return rows, now
        worth = worth_of_look(now.table)
        worth[rows] = -1
        more = np.argsort(-worth, kind="stable")[: min(EVERY, decisions - len(rows))]
        rows += [int(row) for row in more]


def measure(name: str, problem: Problem, decisions: int, seed: int) -> dict[str, object]:
    """One line of the table."""
    rows, now = review(problem, decisions, seed)
    left = np.ones(len(problem.wrong), dtype=bool)
    left[rows] = False
    before, after = (
        roc_auc_score(problem.wrong[left], one.table["suspicion"].to_numpy()[left])
        for one in (problem.findings, now)
    )
    suspicion = problem.findings.table["suspicion"].to_numpy()
    ranked = np.argsort(-suspicion, kind="stable")[:decisions]
    at_random = decisions * float(problem.wrong.mean())
    found = int(problem.wrong[rows].sum())
    return {
        "set": name,
        "seed": seed,
        "AUROC before": round(float(before), 4),
        "after": round(float(after), 4),
        "gain": round(float(after - before), 4),
        "found": found,
        "by suspicion": int(problem.wrong[ranked].sum()),
        "random": round(at_random, 1),
        "times": round(found / at_random, 2),
    }


def problems(names: list[str], seeds: list[int]) -> Iterator[tuple[str, Problem, int]]:
    """Every set and seed; a set that no seed changes is judged once."""
    for name in names:
        fixed = None if name == "letter" else cifar(f"y_{name}", f"p_{name}")
        for seed in seeds:
            yield name, letter(seed) if fixed is None else fixed, seed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--decisions", type=int, default=200)
    parser.add_argument("--sets", nargs="+", default=["worst", "letter"])
    arguments = parser.parse_args()
    lines = []
    for name, problem, seed in problems(arguments.sets, arguments.seeds):
        lines.append(measure(name, problem, arguments.decisions, seed))
        print(lines[-1], flush=True)
    table = pd.DataFrame(lines)
    print(table.groupby("set").mean(numeric_only=True).drop(columns="seed").round(4).to_string())


if __name__ == "__main__":
    main()
