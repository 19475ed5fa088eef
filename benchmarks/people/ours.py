"""Chaffinch: without answers, with what a user can add, and with a few checked labels."""

import inspect
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import chaffinch as cf
from benchmarks.people.case import Case
from benchmarks.people.measure import Verdict
from benchmarks.people.method import Skipped, method
from chaffinch.core.errors import InputError
from chaffinch.core.findings import Findings

ANSWERS = (10, 30, 100)


@method("chaffinch")
def judge(case: Case, seed: int) -> Verdict:
    """`cf.judge` as it is."""
    return verdict(judged(case, seed))


def _assuming(assumption: str) -> None:
    @method(f"chaffinch {assumption}", "told more")
    def assume(case: Case, seed: int) -> Verdict:
        return verdict(judge_with(case, seed, "assume", assumption))


for _name in ("crisp", "graded"):
    _assuming(_name)


@method("chaffinch validation", "told more")
def validation(case: Case, seed: int) -> Verdict:
    """With clean validation samples."""
    if case.clean is None:
        raise Skipped("the set has no clean samples apart")
    parts = {
        "labels": case.clean.codes,
        "probabilities": case.clean.probabilities,
        "embeddings": case.clean.embeddings,
    }
    given = {name: value for name, value in parts.items() if value is not None}
    return verdict(judge_with(case, seed, "validation", given))


@method("chaffinch groups", "told more")
def groups(case: Case, seed: int) -> Verdict:
    """With who labelled each sample."""
    if case.sources is None:
        raise Skipped("the set has no sources")
    return verdict(judge_with(case, seed, "groups", case.sources))


def _answered(count: int) -> None:
    @method(f"chaffinch {count} answers", "told more")
    def chosen(case: Case, seed: int) -> Verdict:
        _check_answerable(case)
        findings = judged(case, seed)
        rows = findings.to_check(count, seed=seed)["id"].astype(np.int64)
        return verdict(findings.calibrate(answers(case, rows.tolist())))


for _count in ANSWERS:
    _answered(_count)


@method("chaffinch 30 random answers", "told more")
def random_answers(case: Case, seed: int) -> Verdict:
    """Thirty samples drawn uniformly instead of those that `to_check` would choose."""
    _check_answerable(case)
    findings = judged(case, seed)
    rows = np.random.default_rng([seed, 6]).choice(len(case), 30, replace=False)
    told = answers(case, rows.tolist())
    table = pd.DataFrame({"id": list(told), "label": list(told.values()), "weight": len(case) / 30})
    return verdict(findings.calibrate(table))


@method("chaffinch scan", "scan")
def scan(case: Case, seed: int) -> Verdict:
    """A whole scan of the samples themselves, as a user runs it."""
    if case.samples is None:
        raise Skipped("the set has evidence only, no samples")
    data: Any = (case.samples, case.codes)
    if isinstance(case.samples, pd.DataFrame):
        data = case.samples.assign(label=case.codes)
        if case.sources is not None:
            data = data.assign(source=[f"source {number}" for number in case.sources])
    return verdict(cf.scan(data, seed=seed).findings)


@method("oracle", "control")
def oracle(case: Case, seed: int) -> Verdict:
    """The best threshold on the suspicion of `cf.judge`, chosen in knowledge of the truth."""
    known = np.ones(len(case), dtype=np.bool_) if case.known is None else case.known
    scores = judged(case, seed).table["suspicion"].to_numpy(np.float64)
    order = np.argsort(-scores[known], kind="stable")
    hits = np.cumsum(case.errors[known][order])
    f1 = 2 * hits / (case.errors[known].sum() + np.arange(1, len(order) + 1))
    best = scores[known][order][f1.argmax()] if hits[-1] else np.inf
    return Verdict(scores >= best, scores)


@lru_cache(maxsize=1)
def judged(case: Case, seed: int) -> Findings:
    """The findings that several methods start from."""
    return cf.judge(case.codes, case.probabilities, case.embeddings, seed=seed).findings


def judge_with(case: Case, seed: int, option: str, value: Any) -> Findings:
    """`cf.judge` with an option that not every version takes.

    Raises:
        Skipped: This version has no such option.
    """
    options = {option: value, "seed": seed}
    refused = Skipped(f"this version's judge takes no {option!r}")
    parameters = inspect.signature(cf.judge).parameters
    if option not in parameters and "options" not in parameters:
        raise refused
    try:
        return cf.judge(case.codes, case.probabilities, case.embeddings, **options).findings
    except InputError as error:
        if error.got == option:
            raise refused from error
        raise


def answers(case: Case, rows: list[int]) -> dict[str, int]:
    """The right label of each row by id."""
    right = _right_labels(case)
    return {str(row): int(right[row]) for row in rows}


def verdict(findings: Findings) -> Verdict:
    """What findings say, with the interval of the rate where answers gave one."""
    table = findings.table
    told = findings.details.get("calibration")
    interval = None if told is None else (float(told["low"]), float(told["high"]))
    rate = findings.estimated_errors / len(table) if told is None else float(told["rate"])
    return Verdict(
        table["flagged"].to_numpy(np.bool_),
        table["suspicion"].to_numpy(np.float64),
        table["q_value"].to_numpy(np.float64),
        rate,
        interval,
    )


def _check_answerable(case: Case) -> None:
    if not hasattr(Findings, "calibrate"):
        raise Skipped("this version's findings have no 'calibrate'")
    _right_labels(case)


def _right_labels(case: Case) -> NDArray[np.int64]:
    if case.right is None:
        raise Skipped("right labels are known for few samples only")
    return case.right
