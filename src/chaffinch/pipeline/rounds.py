"""Rounds: clean the labels of what was found, train again, and judge everything anew.

Models that need not fit the errors contradict them more plainly. So every further round trains with
a weight of 1 - suspicion for each sample, and rescores all of them; every sample, dropped or not,
is still judged by models that were held back from it. Nothing is lost by a mistake: a sample that
was wrongly suspected is no longer contradicted by the better models and comes back.

Every round has weights, order and folds of its own, and the judgement is the mean over all rounds.
The first does not count if its model had learned errors by heart.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import nn

from chaffinch.core.evidence import Evidence
from chaffinch.core.findings import Findings
from chaffinch.core.randomness import stream
from chaffinch.core.types import Floats
from chaffinch.diagnosis.wrong_label import LATE
from chaffinch.pipeline.collect import collect_by_training
from chaffinch.pipeline.work import Work
from chaffinch.store.run import EVIDENCE

MOST_ROUNDS = 4
"""Rounds of ``auto`` where it does not settle before."""

SETTLED = 0.05
"""``auto`` stops where at most this share of the flagged samples has changed."""

_LEARNED_NONE = 0.5

LEAST_WEIGHT = 1e-3
"""Of a sample that is surely wrong: hardly anything, and yet no batch is without weight."""

Rounds = int | Literal["auto"]
Judge = Callable[[Sequence[Evidence]], Findings]
"""Judges the evidence of several trainings together."""


@dataclass(frozen=True, eq=False)
class Round:
    """What one round yielded.

    Attributes:
        evidence: All that the judgement rests on, the newest first.
        findings: The judgement on it.
        model: The newest model trained on all samples.
    """

    evidence: Sequence[Evidence]
    findings: Findings
    model: nn.Module


def weights_after(suspicion: Floats) -> torch.Tensor:
    """(N,) float32 weights 1 - suspicion, at least `LEAST_WEIGHT`, with a mean of 1."""
    weights = np.maximum(1 - suspicion, LEAST_WEIGHT)
    return torch.from_numpy((weights / weights.mean()).astype(np.float32))


def changed_share(before: Findings, after: Findings) -> float:
    """Share of the samples flagged in either round that were flagged in one only, in 0..1."""
    old, new = (f.table["flagged"].to_numpy(np.bool_) for f in (before, after))
    return float((old ^ new).sum() / max(1, (old | new).sum()))


def look_again(works: Sequence[Work], first: Round, rounds: Rounds, judge: Judge) -> Round:
    """Train and judge further rounds.

    Args:
        works: The work of the first training and of the repetitions.
        first: What they yielded in the first round.
        rounds: How many rounds in all, or ``auto``: until the flagged set hardly changes, at most
            four.
        judge: Judges the evidence of a round.

    Returns:
        The last round, with the number flagged in each and the share that changed in
        ``details["rounds"]``. Its evidence lies in ``round-K`` below that of the first, where an
        interrupted scan finds it.
    """
    learned_none = first.findings.details.get(LATE, 0.0) >= _LEARNED_NONE
    cleaned = list(first.evidence) if learned_none else []
    history = [_summary(first.findings, None)]
    current = first
    for number in range(2, (MOST_ROUNDS if rounds == "auto" else rounds) + 1):
        weights = weights_after(current.findings.table["suspicion"].to_numpy(np.float64))
        collected = [collect_by_training(_again(work, number, weights)) for work in works]
        cleaned = [*(found for found, _ in collected), *cleaned]
        before, current = current, Round(cleaned, judge(cleaned), collected[0][1])
        changed = changed_share(before.findings, current.findings)
        history.append(_summary(current.findings, changed))
        if rounds == "auto" and changed <= SETTLED:
            break
    findings = current.findings
    details = {**findings.details, "rounds": history}
    return replace(current, findings=replace(findings, details=details))


def _again(work: Work, number: int, weights: torch.Tensor) -> Work:
    folder = work.folder / EVIDENCE / f"round-{number}"
    seed = int(stream(work.seed, f"round {number}").integers(2**31))
    return replace(work, folder=folder, seed=seed, weights=weights, keep_checkpoints=False)


def _summary(findings: Findings, changed: float | None) -> dict[str, float | int | None]:
    return {
        "flagged": int(findings.table["flagged"].sum()),
        "changed": None if changed is None else round(changed, 6),
    }
