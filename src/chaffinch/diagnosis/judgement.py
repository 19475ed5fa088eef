"""From evidence to findings: score, judge labels and kinds, decide, suggest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit

from chaffinch.core.errors import InputError
from chaffinch.core.evidence import Evidence
from chaffinch.core.findings import Findings
from chaffinch.core.group_note import group_notes
from chaffinch.core.judged import harm, judged_columns, wrong_label
from chaffinch.core.kinds import HARMFUL, KINDS
from chaffinch.core.labels import Labels
from chaffinch.core.rate_range import CANNOT_TELL, RateRange
from chaffinch.core.types import Floats
from chaffinch.diagnosis.basis import make_basis
from chaffinch.diagnosis.canaries import CanaryEvidence
from chaffinch.diagnosis.explanation import describe
from chaffinch.diagnosis.fusion import log_odds
from chaffinch.diagnosis.kinds.assignment import find_groups, kind_probabilities
from chaffinch.diagnosis.label_noise import Assumption
from chaffinch.diagnosis.rate import rates
from chaffinch.diagnosis.selection import Threshold, q_values
from chaffinch.diagnosis.wrong_label import (
    GROUP_SHIFT,
    LabelVerdict,
    judge_by_canaries,
    judge_labels,
)
from chaffinch.scorers import Scorer, choose
from chaffinch.scorers import fuse as fuse_ranks
from chaffinch.scorers.neighbours.knn import neighbour_recall

_LIKELY, _CERTAIN = 0.5, 0.99
_TINY = 1e-12


@dataclass(frozen=True, eq=False)
class Verdict:
    """What the diagnosis says of N samples.

    Attributes:
        kinds: (N, 9) probability of each kind, in the order of `KINDS`; rows sum to 1.
        alternatives: (N, C) how likely each other class is, if the label is wrong; the given
            class has 0 and each row sums to 1.
        notes: What a reader must know.
        details: Figures of the models behind it.
        canaries: (K, 9) as `kinds`, of the canaries, where there are any.
    """

    kinds: Floats
    alternatives: Floats
    notes: tuple[str, ...]
    details: Mapping[str, Any]
    canaries: Floats | None = None

    @property
    def suspicion(self) -> Floats:
        """(N,) calibrated probability that the sample does harm."""
        return harm(self.kinds)

    @property
    def wrong_label(self) -> Floats:
        """(N,) calibrated probability that the label is wrong."""
        return wrong_label(self.kinds)


def judge_evidence(
    evidence: Evidence,
    scorers: Sequence[str] | None = None,
    seed: int = 0,
    repeats: Sequence[Evidence] = (),
    threshold: Threshold = Threshold(),  # noqa: B008  # frozen
    canaries: CanaryEvidence | None = None,
    assume: Assumption = "auto",
) -> Findings:
    """Judge N samples from evidence alone.

    Args:
        evidence: What training and inference yielded.
        scorers: Names of the scorers whose columns are wanted, of families, or ``all``; by default
            the usual ones that the evidence allows. They do not change the suspicion.
        seed: Decides every random choice.
        repeats: Evidence of further trainings on the same samples, in the same order. Suspicions
            are then means, and scores mean ranks in 0..1.
        threshold: The rule by which samples are flagged.
        canaries: Samples spoilt on purpose that were trained beside those of ``evidence``. Of them
            the findings hold figures only, in ``details["canaries"]``.
        assume: What a label is: ``crisp`` where each sample has one right class, ``graded`` where
            labels are outcomes or opinions, ``auto`` to go by the evidence.

    Raises:
        InputError: Labels that cannot be judged, no predictions and no embeddings, an unknown
            assumption or scorer, or one that the evidence does not allow.
    """
    if assume not in get_args(Assumption):
        raise InputError("assume='auto', 'crisp' or 'graded'", repr(assume), "Check the name")
    evidence.labels.check_trainable()
    chosen = choose_scorers(evidence, scorers)
    trainings = 1 + len(repeats)
    verdict = diagnose(evidence, seed, canaries, trainings, assume)
    verdict = _mean([verdict, *(diagnose(one, seed, None, trainings, assume) for one in repeats)])
    if repeats:
        columns = {one.name: fuse_ranks(one, (evidence, *repeats), seed) for one in chosen}
    else:
        columns = {one.name: one(evidence, seed) for one in chosen}
    verdict = _with_recall(verdict, evidence)
    found = _findings(evidence, verdict, columns, threshold)
    shift = verdict.details.get(GROUP_SHIFT, ())
    wrong, others = verdict.wrong_label, verdict.alternatives
    basis = make_basis((evidence, *repeats), wrong, others, seed, shift)
    found = replace(found, basis=basis)
    if canaries is not None and verdict.canaries is not None:
        least = found.table.loc[found.table["flagged"], "suspicion"].min()
        # Canaries have a fit of their own: what is certain in one may be a hair less in the other.
        least = _LIKELY if np.isnan(least) else min(float(least), _CERTAIN)
        figures = canaries.figures(verdict.canaries, least)
        found = replace(found, details={**found.details, "canaries": figures})
    return replace(found, table=describe(found.table, evidence, repeats))


def _with_recall(verdict: Verdict, evidence: Evidence) -> Verdict:
    """The verdict, and how many of the neighbours it rests on are the true ones."""
    if not (evidence.has("embeddings") or evidence.has("features")):
        return verdict
    share = neighbour_recall(evidence)
    if share is None:
        return verdict
    note = (
        "Because there are many samples, neighbours were looked up in parts of the data that lie "
        f"close together: {share:.0%} of the true ones were found, by a check of a few samples."
    )
    details = {**verdict.details, "neighbour_recall": round(share, 3)}
    return replace(verdict, notes=(*verdict.notes, note), details=details)


def _mean(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict over several trainings."""
    first = verdicts[0]
    if len(verdicts) == 1:
        return first
    kinds = pooled([one.kinds for one in verdicts])
    alternatives = np.mean([one.alternatives for one in verdicts], axis=0)
    notes = (*dict.fromkeys(note for one in verdicts for note in one.notes),)
    joined = f"Suspicions are pooled and scores are mean ranks over {len(verdicts)} trainings."
    return Verdict(kinds, alternatives, (*notes, joined), first.details, first.canaries)


def pooled(kinds: Sequence[Floats]) -> Floats:
    """Probabilities of the kinds over several trainings.

    A mean of calibrated probabilities is calibrated, too, but hardly tells two samples apart that
    one training is sure of. So the suspicion is in the order of the mean log-odds, shifted so that
    its sum is that of the means; the kinds share it as in the mean.

    Args:
        kinds: R arrays (N, 9), in the order of `KINDS`; rows sum to 1.

    Returns:
        (N, 9), rows sum to 1.
    """
    mean: Floats = np.mean(kinds, axis=0)
    harmful = harm(mean)
    odds = np.mean([log_odds(harm(one)) for one in kinds], axis=0)
    total = float(harmful.mean())
    if not 0 < total < 1:
        return mean
    shift = brentq(lambda by: float(expit(odds + by).mean()) - total, -50, 50)
    wanted = expit(odds + shift)
    bad = np.isin(KINDS, HARMFUL)
    mean[:, bad] *= (wanted / np.maximum(harmful, _TINY))[:, None]
    mean[:, ~bad] *= ((1 - wanted) / np.maximum(1 - harmful, _TINY))[:, None]
    mean /= mean.sum(axis=1, keepdims=True)
    return mean


def choose_scorers(evidence: Evidence, names: Sequence[str] | None) -> list[Scorer]:
    """The scorers asked for by name, and those of families or by default that can run."""
    return [c.scorer for c in choose(names) if c.by_name or c.scorer.runs_on(evidence)]


def diagnose(
    evidence: Evidence,
    seed: int = 0,
    canaries: CanaryEvidence | None = None,
    trainings: int = 1,
    assume: Assumption = "auto",
) -> Verdict:
    """Say how likely each sample is of each kind, and what else its label could be.

    Where no model was held back from any sample, canaries say how likely labels are wrong.

    Args:
        evidence: What is known of N samples.
        seed: Decides every random choice.
        canaries: Samples spoilt on purpose that were trained beside them.
        trainings: Of how many trainings on the same samples this is one.
        assume: As for `judge_evidence`.

    Raises:
        InputError: Neither predictions nor embeddings.
    """
    if canaries is None or evidence.has("held_out_logits"):
        labels, kinds = _labels_and_kinds(evidence, seed, trainings, assume)
        verdict = Verdict(kinds, labels.alternatives, labels.notes, labels.details)
        if canaries is None:
            return verdict
        beside = _labels_and_kinds(canaries.joined(evidence), seed, trainings, assume)[1]
        return replace(verdict, canaries=beside[len(evidence) :])
    labels, called = judge_by_canaries(evidence, canaries, seed)
    kinds = kind_probabilities(evidence, labels.wrong, labels.doubt, seed)
    wrong = np.concatenate([labels.wrong, called])
    beside = kind_probabilities(canaries.joined(evidence), wrong, np.zeros(len(wrong)), seed)
    notes, details = labels.notes, labels.details
    return Verdict(kinds, labels.alternatives, notes, details, beside[len(evidence) :])


def _labels_and_kinds(
    evidence: Evidence, seed: int, trainings: int, assume: Assumption
) -> tuple[LabelVerdict, Floats]:
    """Judge labels without anomalies and misfiled groups, which would pass for noise."""
    groups = find_groups(evidence, seed)
    labels = judge_labels(evidence, seed, groups.usual, trainings, assume)
    if labels.details.get("validation_used") is False:  # it seems to mean other classes
        return labels, kind_probabilities(evidence, labels.wrong, labels.doubt, seed, groups)
    groups = find_groups(evidence, seed, labels.wrong, groups.strange)
    if groups.misfiled.any():
        labels = judge_labels(evidence, seed, groups.usual, trainings, assume)
        groups = find_groups(evidence, seed, labels.wrong, groups.strange)
    instead = np.flatnonzero(groups.misfiled & (groups.groups.instead >= 0))
    if len(instead):
        alternatives = labels.alternatives.copy()
        alternatives[instead] = 0
        alternatives[instead, groups.groups.instead[instead]] = 1
        labels = replace(labels, alternatives=alternatives)
    return labels, kind_probabilities(evidence, labels.wrong, labels.doubt, seed, groups)


def _findings(
    evidence: Evidence, verdict: Verdict, columns: Mapping[str, Floats], threshold: Threshold
) -> Findings:
    labels, suspicion = evidence.labels, verdict.suspicion
    q = q_values(suspicion)
    flagged = threshold.flag(suspicion, q)
    best = verdict.alternatives.argmax(axis=1)
    classes = _storable(labels.classes)
    judged = judged_columns(
        verdict.kinds, flagged, q, classes[best], verdict.alternatives.max(axis=1)
    )
    named = {"id": evidence.ids, "given_label": classes[labels.codes]}
    table = pd.DataFrame({**named, **judged, **columns})
    by_kind = dict(zip(KINDS, verdict.kinds.T, strict=True))
    details = dict(verdict.details)
    details["rates"] = rates(suspicion, labels.codes, labels.names, by_kind, evidence.groups)
    estimated = float(verdict.wrong_label.sum())
    groups = None if details.get("cannot_tell") else evidence.groups
    notes = (*group_notes(verdict.wrong_label, groups), *verdict.notes)
    rate = RateRange.of(details, estimated / len(labels))
    if rate is not None:
        details["rate_range"] = (rate.low, rate.high)
        if rate.told and rate.is_open(float(flagged.mean())):
            details["cannot_tell"], notes = True, (*notes, CANNOT_TELL)
    flow = _flow(labels, verdict.wrong_label, verdict.alternatives)
    return Findings(table, classes, estimated, flow, notes, details)


def _flow(labels: Labels, wrong: Floats, alternatives: Floats) -> Floats:
    """(C, C) expected number of samples by given and right label."""
    size = len(labels.classes)
    flow = np.zeros((size, size))
    np.add.at(flow, labels.codes, wrong[:, None] * alternatives)
    np.add.at(flow, (labels.codes, labels.codes), 1 - wrong)
    return flow


def _storable(classes: NDArray[Any]) -> NDArray[Any]:
    """Class values as one type that a table can hold; mixed ones become text."""
    if classes.dtype == object and not all(isinstance(value, str) for value in classes):
        return np.asarray([str(value) for value in classes], dtype=object)
    return classes
