"""From evidence to findings: score, fuse, decide, suggest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import chi2

from chaffinch.core.errors import InputError
from chaffinch.core.evidence import Evidence
from chaffinch.core.findings import Findings
from chaffinch.core.labels import Labels
from chaffinch.core.types import Floats, Mask
from chaffinch.diagnosis.fusion import calibrate, common_scale, fuse, log_odds
from chaffinch.diagnosis.mixture import upper_heap
from chaffinch.diagnosis.noise_model import NoiseModel
from chaffinch.diagnosis.selection import LEAST_SUSPICION, q_values, select
from chaffinch.diagnosis.source import held_out_sources
from chaffinch.scorers import Scorer, choose
from chaffinch.scorers import fuse as fuse_ranks
from chaffinch.scorers.dynamics.aum import area_under_margin
from chaffinch.scorers.dynamics.loss import mean_loss
from chaffinch.scorers.probability import mean_over_epochs, softmax

LEAST_EXPLAINED = 0.01
"""Share of the labels' entropy that predictions must explain for anything to be flagged."""

_CHANCE = 1e-3

IN_SAMPLE_NOTE = (
    "All predictions come from models that were trained on these very labels. Such models repeat "
    "part of the errors that they learned, so expect more misses, and take the number of wrong "
    "labels as a rough guess."
)
UNLEARNABLE_NOTE = (
    "The model predicts labels that it has not seen hardly better than a guess by the frequency of "
    "the classes, so nothing is flagged: wrong labels cannot be told from right ones by it. Try "
    "another model, more epochs or better features, and check that features and labels belong "
    "together."
)
NEIGHBOURS_NOTE = (
    "How many labels are wrong was judged from neighbours alone, because no model was held back "
    "from any sample."
)


@dataclass(frozen=True, eq=False)
class Verdict:
    """What the diagnosis says of N samples.

    Attributes:
        suspicion: (N,) calibrated probability that the label is wrong.
        alternatives: (N, C) how likely each other class is, if the label is wrong; the given
            class has 0 and each row sums to 1.
        notes: What a reader must know.
        details: Figures of the models behind it.
    """

    suspicion: Floats
    alternatives: Floats
    notes: tuple[str, ...]
    details: Mapping[str, Any]


def judge_evidence(
    evidence: Evidence,
    scorers: Sequence[str] | None = None,
    seed: int = 0,
    repeats: Sequence[Evidence] = (),
) -> Findings:
    """Judge N samples from evidence alone.

    Args:
        evidence: What training and inference yielded.
        scorers: Names of the scorers whose columns are wanted, of families, or ``all``; by default
            the usual ones that the evidence allows. They do not change the suspicion.
        seed: Decides every random choice.
        repeats: Evidence of further trainings on the same samples, in the same order. Suspicions
            are then means, and scores mean ranks in 0..1.

    Raises:
        InputError: Labels that cannot be judged, no predictions and no embeddings, an unknown
            scorer, or one that the evidence does not allow.
    """
    evidence.labels.check_trainable()
    chosen = choose_scorers(evidence, scorers)
    verdict = _mean([diagnose(one, seed) for one in (evidence, *repeats)])
    if repeats:
        columns = {one.name: fuse_ranks(one, (evidence, *repeats), seed) for one in chosen}
    else:
        columns = {one.name: one(evidence, seed) for one in chosen}
    return _findings(evidence, verdict, columns)


def _mean(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict over several trainings; a mean of calibrated probabilities is one, too."""
    first = verdicts[0]
    if len(verdicts) == 1:
        return first
    suspicion = np.mean([one.suspicion for one in verdicts], axis=0)
    alternatives = np.mean([one.alternatives for one in verdicts], axis=0)
    notes = (*dict.fromkeys(note for one in verdicts for note in one.notes),)
    joined = f"Suspicions are means and scores are mean ranks over {len(verdicts)} trainings."
    return Verdict(suspicion, alternatives, (*notes, joined), first.details)


def choose_scorers(evidence: Evidence, names: Sequence[str] | None) -> list[Scorer]:
    """The scorers asked for by name, and those of families or by default that can run."""
    return [c.scorer for c in choose(names) if c.by_name or c.scorer.runs_on(evidence)]


def diagnose(evidence: Evidence, seed: int = 0) -> Verdict:
    """Say how likely each label is wrong and what else it could be.

    Raises:
        InputError: Neither predictions nor embeddings.
    """
    sources = held_out_sources(evidence)
    if not sources and not evidence.has("logits"):
        raise InputError(
            "predictions or embeddings to judge the labels by",
            "none",
            "Pass probabilities, logits or embeddings",
        )
    if evidence.has("held_out_logits") or not evidence.has("logits"):
        return _from_held_out(evidence, sources, seed)
    return _from_training(evidence, sources, seed)


def _from_held_out(evidence: Evidence, sources: Sequence[Floats], seed: int) -> Verdict:
    codes = evidence.labels.codes
    model = NoiseModel.fit(sources, codes, seed)
    right = model.posterior(sources, codes)
    posterior = 1 - right[np.arange(len(codes)), codes]
    suspicion = calibrate(fuse(posterior, _dynamics(evidence)), posterior)
    notes = () if evidence.has("held_out_logits") else (NEIGHBOURS_NOTE,)
    details = {"noise_rate": model.rate, "likelihood": model.likelihood}
    if not explains(model, evidence.labels):
        notes = (*notes, UNLEARNABLE_NOTE)
        suspicion = suspicion * (LEAST_SUSPICION / 2)
    return Verdict(suspicion, _without(right, evidence.labels), notes, details)


def explains(model: NoiseModel, labels: Labels) -> bool:
    """Whether predictions explain a share of the labels' entropy, and more of it than by chance.

    By chance, twice the gain in log-likelihood is distributed as chi squared with as many degrees
    of freedom as the model has parameters (Wilks, 1938).
    """
    share = explained_share(model, labels)
    gain = 2 * len(labels) * share * class_entropy(labels)
    by_chance = float(chi2.isf(_CHANCE, len(model.weights) + 1))
    return share >= LEAST_EXPLAINED and gain > by_chance


def class_entropy(labels: Labels) -> float:
    """Entropy of the frequencies of the given labels, in nats a sample."""
    shares = labels.counts[labels.counts > 0] / len(labels)
    return -float((shares * np.log(shares)).sum())


def explained_share(model: NoiseModel, labels: Labels) -> float:
    """Share of the entropy of the given labels that the predictions explain, in 0..1."""
    entropy = max(class_entropy(labels), 1e-12)
    return float(np.clip(1 + model.likelihood / entropy, 0, 1))


def _from_training(evidence: Evidence, sources: Sequence[Floats], seed: int) -> Verdict:
    codes = evidence.labels.codes
    total = np.zeros(len(codes))
    for scores in _dynamics(evidence):
        spread = float(scores.std())
        if spread > 0:
            total += (scores - np.median(scores)) / spread
    probabilities = mean_over_epochs(evidence.need("logits"), softmax)
    if sources:
        # Neighbours add as much as they know: the share of the label's entropy that they explain.
        model = NoiseModel.fit(sources, codes, seed)
        right = model.posterior(sources, codes)
        doubt = 1 - right[np.arange(len(codes)), codes]
        known = explained_share(model, evidence.labels)
        total += known * common_scale(log_odds(doubt), doubt)
    suspicion = upper_heap(total, seed)
    # The mixture saturates at 0 and 1; keep the order of the scores inside.
    ranks = np.argsort(np.argsort(total, kind="stable"), kind="stable") / len(total)
    suspicion = np.clip(suspicion, 1e-6, 1 - 1e-6) + (ranks - 0.5) * 1e-6
    alternatives = _without(probabilities, evidence.labels)
    return Verdict(suspicion, alternatives, (IN_SAMPLE_NOTE,), {})


def _dynamics(evidence: Evidence) -> list[Floats]:
    if evidence.logits is None:
        return []
    codes = evidence.labels.codes
    return [mean_loss(evidence.logits, codes), -area_under_margin(evidence.logits, codes)]


def _without(probabilities: Floats, labels: Labels) -> Floats:
    """(N, C) rows with the given class taken out, scaled to sum to one."""
    others = np.array(probabilities, dtype=np.float64)
    others[np.arange(len(labels)), labels.codes] = 0
    others += 1e-12
    others[np.arange(len(labels)), labels.codes] = 0
    others /= others.sum(axis=1, keepdims=True)
    return others


def _findings(evidence: Evidence, verdict: Verdict, columns: Mapping[str, Floats]) -> Findings:
    labels, suspicion = evidence.labels, verdict.suspicion
    flagged = select(suspicion)
    best = verdict.alternatives.argmax(axis=1)
    confidence = suspicion * verdict.alternatives.max(axis=1)
    named = flagged | (confidence > 0.5)
    classes = _storable(labels.classes)
    table = pd.DataFrame(
        {
            "id": evidence.ids,
            "given_label": classes[labels.codes],
            "suspicion": suspicion,
            "flagged": flagged,
            "kind": np.where(flagged, "mislabelled", "clean"),
            "kind_probability": np.where(flagged, suspicion, 1 - suspicion),
            "suggested_label": _masked(classes[best], named),
            "suggestion_confidence": np.where(named, confidence, np.nan),
            "q_value": q_values(suspicion),
            **columns,
        }
    )
    return Findings(
        table,
        classes,
        float(suspicion.sum()),
        _flow(labels, suspicion, verdict.alternatives),
        verdict.notes,
        verdict.details,
    )


def _flow(labels: Labels, suspicion: Floats, alternatives: Floats) -> Floats:
    """(C, C) expected number of samples by given and right label."""
    size = len(labels.classes)
    flow = np.zeros((size, size))
    np.add.at(flow, labels.codes, suspicion[:, None] * alternatives)
    np.add.at(flow, (labels.codes, labels.codes), 1 - suspicion)
    return flow


def _storable(classes: NDArray[Any]) -> NDArray[Any]:
    """Class values as one type that a table can hold; mixed ones become text."""
    if classes.dtype == object and not all(isinstance(value, str) for value in classes):
        return np.asarray([str(value) for value in classes], dtype=object)
    return classes


def _masked(values: NDArray[Any], keep: Mask) -> "pd.Series[Any]":
    """A column that keeps its type and is missing where ``keep`` is false."""
    return pd.Series(pd.array(values)).where(keep)
