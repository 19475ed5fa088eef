"""Findings judged anew from decisions, and which samples are worth the next look."""

from dataclasses import replace

import numpy as np
import pandas as pd

from chaffinch.core.answers import join
from chaffinch.core.basis import Basis
from chaffinch.core.calibrated import basis_of_table
from chaffinch.core.findings import Findings
from chaffinch.core.judged import harm, wrong_label
from chaffinch.core.kinds import FAR_CLUSTER, OUTLIER
from chaffinch.core.recalibrated import kinds_of, recalibrated_kinds, recalibrated_table
from chaffinch.core.recalibration import Calibrated, mean_chance
from chaffinch.core.relearning import taught
from chaffinch.core.types import Floats, Mask


def relearn(findings: Findings, embeddings: Floats | None = None) -> Findings:
    """Let answers speak for the samples around them, too.

    `Findings.calibrate` learns from answers how far to trust the evidence as a whole. Here they
    also move the suspicion of the samples that are like them (`chaffinch.core.relearning`). The
    rate of wrong labels, its interval and how many are flagged stay as they were.

    Args:
        findings: As `Findings.calibrate` gave them.
        embeddings: (N, K) description of the samples made without their labels.

    Returns:
        Findings with new suspicions, kinds, flags, q-values, suggestions and flow; the same ones
        where there are no answers or no embeddings.
    """
    if findings.answers is None or findings.origin is None or embeddings is None:
        return findings
    if not findings.is_judged.all():
        return findings.with_judged(relearn(findings.judged, embeddings))
    table, classes = findings.origin.table, findings.classes
    basis: Basis = findings.basis or basis_of_table(table, classes)
    told = join(findings.answers, table["id"].tolist(), basis.given.astype(np.int64))
    learned = Calibrated.of(basis, told)
    chance = mean_chance(learned.x, learned.coefficients)
    wrong = taught(chance, basis, told, embeddings)
    kinds = recalibrated_kinds(kinds_of(table), wrong, told)
    known = basis.told(told.rows, told.codes)
    chosen = _by_rank(findings.table, harm(kinds))
    made = recalibrated_table(findings.table, kinds, chosen, known, classes)
    return replace(findings, table=made, flow=known.flow(wrong_label(kinds), len(classes)))


def _by_rank(table: pd.DataFrame, suspicion: Floats) -> tuple[Mask, Floats]:
    """(N,) flags and (N,) q-values: at each rank those of the table, whoever has it now."""
    before = np.argsort(-table["suspicion"].to_numpy(np.float64), kind="stable")
    now = np.argsort(-suspicion, kind="stable")
    flagged, q = np.zeros(len(table), dtype=np.bool_), np.empty(len(table))
    flagged[now[: int(table["flagged"].sum())]] = True
    ties = np.searchsorted(-suspicion[now], -suspicion[now], side="right") - 1
    q[now] = table["q_value"].to_numpy(np.float64)[before][ties]
    return flagged, q


def worth_of_look(table: pd.DataFrame) -> Floats:
    """(N,) how much a look at each sample is expected to settle: the order of a review.

    The probability that a look changes the data, which is the suspicion, times how unsure it is
    what they should become: the entropy of the three outcomes "as it is", "the likeliest change"
    (the suggested label, or leaving an anomaly out) and "another change", in units of the largest
    possible one. A sample that is surely right needs no look; nor does one that is surely wrong
    with a sure suggestion, since the plan mends it anyway. Most worth have those that are likely
    wrong, but not surely, and those surely wrong of which the right label is open.

    Args:
        table: Findings; columns of kinds may be missing.

    Returns:
        In 0..1.
    """
    changed = table["suspicion"].to_numpy(np.float64)
    best = np.zeros(len(table))
    for name in ("suggestion_confidence", f"p_{OUTLIER}", f"p_{FAR_CLUSTER}"):
        if name in table:
            best = np.fmax(best, table[name].to_numpy(np.float64))
    best = np.where(best > 0, np.minimum(best, changed), changed)
    outcomes = np.stack([1 - changed, best, changed - best])
    logs = np.log(outcomes, out=np.zeros_like(outcomes), where=outcomes > 0)
    worth: Floats = changed * -(outcomes * logs).sum(axis=0) / np.log(3)
    return np.clip(worth, 0, 1)
