"""How flat the neighbourhood of each constant is that decides a verdict on labels.

    python -m benchmarks.people.constants [--seeds 10 11] [--out docs/benchmarks/constants.md]

One constant at a time is changed, on the sets of `benchmarks.people` at seeds of development, by
their probabilities alone (those with embeddings only are left out).
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import chaffinch as cf
from benchmarks.markdown import table_line
from benchmarks.people.case import Case
from benchmarks.people.measure import Verdict, measure
from benchmarks.people.ours import answers, verdict
from benchmarks.people.sets import QUICK, SETS, default_cache, load_set
from chaffinch.core import calibration, check_sample
from chaffinch.core.calibration_prior import COVARIANCES
from chaffinch.diagnosis import class_pairs, floor, label_noise
from chaffinch.diagnosis.noise_model import NoiseModel
from chaffinch.diagnosis.selection import select

HUMAN, CLEAN = "human", "clean"


@dataclass(frozen=True)
class Constant:
    """A constant, where it is, what it means, and what else it could be."""

    module: Any
    name: str
    meaning: str
    others: tuple[Any, ...]

    @contextmanager
    def at(self, value: Any) -> Iterator[None]:
        """Change it for a while."""
        before = getattr(self.module, self.name)
        setattr(self.module, self.name, value)
        try:
            yield
        finally:
            setattr(self.module, self.name, before)


OF_JUDGEMENT = (
    Constant(label_noise, "_EXCESS", "mistakes on hard samples", (0.25, 1.0)),
    Constant(label_noise, "_DAMPING", "power of the strength", (0.75, 3.0)),
    Constant(floor, "_BY_CHANCE", "surest that a right model misses", (0.004, 0.016)),
    Constant(floor, "_SURE_BY_CHANCE", "sure that it misses, of all that it misses", (0.1, 0.2)),
    Constant(floor, "_EASIER", "mistakes among surest by those among sure", (0.3, 1.0)),
    Constant(floor, "_AS_MANY", "samples that this counts as", (50, 200)),
    Constant(floor, "_SLIPS", "spread up to which the floor is slips", (0.2, 0.4)),
    Constant(floor, "_MISTAKES", "spread from which it is mistakes", (0.45, 0.7)),
    Constant(floor, "_STRONG", "strength of a model that is believed", (0.72, 0.85)),
    Constant(class_pairs, "_LEAST_FLATNESS", "flatness of pairs of classes", (0.5, 0.9)),
)
OF_ANSWERS = (
    Constant(check_sample, "FLOOR", "share of the draw spread evenly", (0.1, 0.4)),
    Constant(
        calibration,
        "COVARIANCES",
        "covariance of the prior, times",
        tuple(factor * COVARIANCES for factor in (0.7, 1.4)),
    ),
)


def cases(seeds: list[int], cache: Path) -> Iterator[tuple[str, Case]]:
    """Group and case of all sets with probabilities whose truth is known throughout."""
    for seed in seeds:
        for name, one in SETS.items():
            if name.endswith(("/both", "/embeddings")) or name.startswith("reviewed/"):
                continue
            case = load_set(name, seed, QUICK, cache)
            yield one.group, case


def of_judgement(group: str, case: Case) -> Iterator[dict[str, Any]]:
    """Figures of the judgement without answers under each value of its constants."""
    if case.probabilities is None:
        return
    sources = [np.log(np.maximum(case.probabilities.astype(np.float64), 1e-12))]
    model = NoiseModel.fit(sources, case.codes)
    for constant in OF_JUDGEMENT:
        for value in (getattr(constant.module, constant.name), *constant.others):
            with constant.at(value):
                wrong = label_noise.judge_noise(model, sources, case.codes).wrong
            figures = measure(case, Verdict(select(wrong), np.asarray(wrong, np.float64)))
            yield {"group": group, "constant": constant.name, "value": value, **figures}


def of_answers(group: str, case: Case, seed: int) -> Iterator[dict[str, Any]]:
    """Figures of thirty answers under each value of the constants of the calibration."""
    findings = cf.judge(case.codes, case.probabilities, scorers=[]).findings
    for constant in OF_ANSWERS:
        now = getattr(constant.module, constant.name)
        for place, value in enumerate((now, *constant.others)):
            with constant.at(value):
                rows = findings.to_check(30, seed)["row"].tolist()
                told = verdict(findings.calibrate(answers(case, rows)))
            named = value if np.isscalar(value) else (1.0, 0.7, 1.4)[place]
            figures = measure(case, told)
            yield {"group": group, "constant": constant.name, "value": named, **figures}


def page(judged: pd.DataFrame, told: pd.DataFrame, seeds: list[int]) -> str:
    """The page in Markdown."""
    heads = ["constant", "value", "people", "uniform", "systematic", "clean, flagged", "most"]
    lines = [table_line(heads), table_line(["---", *["--:"] * 6])]
    for constant in OF_JUDGEMENT:
        rows = judged[judged["constant"] == constant.name]
        for place, (value, part) in enumerate(rows.groupby("value", sort=False)):
            gaps = part.groupby("group")["gap"].mean()
            clean = part[part["group"] == CLEAN]["flagged"]
            cells = [f"{gaps[one]:.3f}" for one in (HUMAN, "uniform", "systematic")]
            cells += [f"{clean.mean():.1%}", f"{clean.max():.1%}"]
            lines.append(table_line([_first(constant, place), _bold(value, place), *cells]))
    lines += ["", "With thirty answers:", ""]
    heads = ["constant", "value", "gap", "gap, 90 %", "interval holds", "width"]
    lines += [table_line(heads), table_line(["---", *["--:"] * 5])]
    for constant in OF_ANSWERS:
        rows = told[told["constant"] == constant.name]
        for place, (value, part) in enumerate(rows.groupby("value", sort=False)):
            figures = [part["gap"].mean(), part["gap"].quantile(0.9), part["covered"].mean()]
            cells = [f"{figure:.3f}" for figure in (*figures, part["width"].mean())]
            lines.append(table_line([_first(constant, place), _bold(value, place), *cells]))
    return "\n".join([*_head(judged, seeds), *lines]) + "\n"


def _head(judged: pd.DataFrame, seeds: list[int]) -> list[str]:
    runs = len(judged) // sum(1 + len(one.others) for one in OF_JUDGEMENT)
    return [
        "# Constants of the judgement, and how flat their neighbourhood is",
        "",
        f"```text\npython -m benchmarks.people.constants --seeds {' '.join(map(str, seeds))}\n```",
        "",
        "Mean gap (best F1 of any threshold on the same scores, less F1 of the flags) by group of "
        f"sets, and the mean and largest share of clean labels flagged, over {runs} sets of "
        "`benchmarks.people` in its quick size at seeds of development, judged by probabilities "
        "alone. One constant is changed at a time; the value in use is **bold**.",
        "",
    ]


def _first(constant: Constant, place: int) -> str:
    return "" if place else f"{constant.meaning} (`{constant.name}`)"


def _bold(value: Any, place: int) -> str:
    return f"{value:g}" if place else f"**{value:g}**"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", nargs="*", type=int, default=[10])
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    judged: list[dict[str, Any]] = []
    told: list[dict[str, Any]] = []
    for group, case in cases(arguments.seeds, arguments.cache):
        judged += of_judgement(group, case)
        for seed in (1, 2):
            told += of_answers(group, case, seed)
    text = page(pd.DataFrame(judged), pd.DataFrame(told), arguments.seeds)
    if arguments.out is None:
        print(text)
    else:
        arguments.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
