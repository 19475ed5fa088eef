"""How likely each label is wrong, and what else it could be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import chi2

from chaffinch.core.errors import InputError
from chaffinch.core.evidence import Evidence
from chaffinch.core.labels import Labels
from chaffinch.core.rate_range import WAY_OUT
from chaffinch.core.types import Floats, Mask
from chaffinch.diagnosis.canaries import CanaryEvidence, chance_from_canaries
from chaffinch.diagnosis.dynamics import doubt_of, late_share, training_view, whole_training
from chaffinch.diagnosis.fusion import (
    calibrate,
    common_scale,
    fuse,
    knowledge,
    log_odds,
    own_spread,
)
from chaffinch.diagnosis.group_noise import by_group, judge_groups
from chaffinch.diagnosis.label_noise import Assumption, LabelNoise, judge_noise
from chaffinch.diagnosis.mixture import upper_heap
from chaffinch.diagnosis.noise_model import NoiseModel
from chaffinch.diagnosis.noise_note import noise_notes
from chaffinch.diagnosis.selection import LEAST_SUSPICION
from chaffinch.diagnosis.source import clean_samples, fold_sources, held_out_sources
from chaffinch.scorers.probability import log_softmax, mean_over_epochs, softmax

LEAST_EXPLAINED = 0.01
"""Share of the labels' entropy that predictions must explain for anything to be flagged."""

LATE = "late_share"
"""Name in the details of how far the last epochs count most, see `late_share`: 1 where training
has learned no wrong label by heart."""

GROUP_SHIFT = "group_shift"
"""Name in the details of the log-odds (G,) of a wrong label that each group adds."""

_UNKNOWN: dict[str, Any] = {"rate_range": (0.0, 1.0), "cannot_tell": True}
_CHANCE = 1e-3
_QUARTERS = 4
_LEAST_OF_HEAP = 0.5
_MOST = 0.5

IN_SAMPLE_NOTE = (
    "All predictions come from models that were trained on these very labels. Such models repeat "
    "part of the errors that they learned, so expect more misses, and take the number of wrong "
    "labels as a rough guess."
)
CANARY_NOTE = (
    "All predictions come from models that were trained on these very labels. How likely a label "
    "is wrong was read off the shape of their scores, or off samples that were mislabelled on "
    "purpose and trained beside the others. Such models repeat part of the errors that they "
    "learned, so expect more misses than with folds."
)
UNLEARNABLE_NOTE = (
    "The model predicts labels hardly better than a guess by the frequency of the classes, so "
    "nothing is flagged: wrong labels cannot be told from right ones by it. Better features may "
    f"help; check that features and labels belong together. {WAY_OUT}"
)
NEIGHBOURS_NOTE = (
    "How many labels are wrong was judged from neighbours and a forest alone, because no model was "
    "held back from any sample."
)


@dataclass(frozen=True, eq=False)
class LabelVerdict:
    """What is said of the labels of N samples, whatever else may be the matter with them.

    Attributes:
        wrong: (N,) calibrated probability that the label is wrong.
        alternatives: (N, C) how likely each other class is, if the label is wrong; the given
            class has 0 and each row sums to 1.
        doubt: (N,) 0 to 1, how nearly the second class rivals the first before the label is
            seen; 0 where nothing that did not learn the label says so.
        notes: What a reader must know.
        details: Figures of the models behind it.
    """

    wrong: Floats
    alternatives: Floats
    doubt: Floats
    notes: tuple[str, ...]
    details: Mapping[str, Any]


def judge_labels(
    evidence: Evidence,
    seed: int = 0,
    usual: Mask | None = None,
    trainings: int = 1,
    assume: Assumption = "auto",
) -> LabelVerdict:
    """Say how likely each label is wrong and what else it could be.

    Args:
        evidence: What is known of N samples.
        seed: Decides every random choice.
        usual: (N,) samples from which the frequency of errors is learned; None for all. Without
            anomalies among them, it is not their oddity that passes for noise or ambiguity.
        trainings: Of how many trainings on these samples this is one; the mean over their verdicts
            will be taken.
        assume: What a label is, see `chaffinch.diagnosis.label_noise`.

    Raises:
        InputError: Neither predictions nor embeddings.
    """
    sources = held_out_sources(evidence, seed)
    if not sources and not evidence.has("logits"):
        raise InputError(
            "predictions or embeddings to judge the labels by",
            "none",
            "Pass probabilities, logits or embeddings",
        )
    if evidence.has("held_out_logits") or not evidence.has("logits"):
        known = _enough(usual, evidence.labels)
        return _from_held_out(evidence, sources, seed, known, trainings, assume)
    return _from_training(evidence, sources, seed)


def _enough(usual: Mask | None, labels: Labels) -> Mask:
    """All samples, unless most of them are usual and every label occurs among these."""
    everyone = np.ones(len(labels), dtype=np.bool_)
    if usual is None or usual.mean() < _MOST:
        return everyone
    same = np.array_equal(np.unique(labels.codes[usual]), np.unique(labels.codes))
    return usual if same else everyone


def _from_held_out(
    evidence: Evidence,
    sources: Sequence[Floats],
    seed: int,
    usual: Mask,
    trainings: int,
    assume: Assumption,
) -> LabelVerdict:
    codes = evidence.labels.codes
    fitted = _fit(evidence, sources, usual, seed)
    clean, apart = clean_samples(evidence), None

    def judged(known: Mask, assume: Assumption) -> LabelNoise:
        model = fitted if known is usual else _fit(evidence, sources, known, seed)
        return judge_noise(model, sources, codes, assume, clean, seed, known)

    noise = judged(usual, assume)
    if evidence.groups is not None:
        apart = judge_groups(noise, judged, sources, codes, evidence.groups, usual, seed)
    noise, posterior = (noise, noise.wrong) if apart is None else (apart.noise, apart.alike)
    model, right = noise.model, noise.right
    suspicion = posterior.copy()
    late = late_share(evidence.logits, codes, _doubt(evidence, sources, posterior))
    training = training_view(evidence, usual, posterior[usual], late)
    expected = model.predict(sources)
    fused = fuse(posterior[usual], training, knowledge(expected[usual]), late, trainings)
    suspicion[usual] = calibrate(fused, posterior[usual])
    if apart is not None:
        suspicion = apart.told(suspicion)
    notes: tuple[str, ...] = () if evidence.has("held_out_logits") else (NEIGHBOURS_NOTE,)
    details: dict[str, Any] = {
        "noise_rate": noise.rate,
        "likelihood": fitted.likelihood,
        LATE: late,
        "assumed": assume,
        "crispness": noise.crispness,
        "rate_range": (noise.low, noise.high),
        "validation_used": noise.used_validation,
    }
    if apart is not None:
        details[GROUP_SHIFT] = apart.shift.tolist()
    doubt = rivalry(expected)
    learned = Labels(codes[usual], evidence.labels.classes)
    if explains(fitted, learned):
        notes = (*notes, *noise_notes(noise, evidence.labels))
    else:
        notes, details = (*notes, UNLEARNABLE_NOTE), {**details, **_UNKNOWN}
        suspicion, doubt = suspicion * (LEAST_SUSPICION / 2), np.zeros(len(codes))
        if evidence.has("logits"):  # the order, too, is better known from training
            order = np.argsort(np.argsort(_in_sample_scores(evidence, (), seed), kind="stable"))
            suspicion = np.sort(suspicion)[order]
    others = _without(right, evidence.labels)
    return LabelVerdict(suspicion, others, doubt, notes, details)


def _doubt(evidence: Evidence, sources: Sequence[Floats], posterior: Floats) -> Floats:
    """(N,) how doubtful labels are by neighbours and forest, else by the held-out predictions."""
    others = sources[len(fold_sources(evidence)) :]
    return doubt_of(others, evidence.labels.codes) if others else posterior


def _fit(evidence: Evidence, sources: Sequence[Floats], usual: Mask, seed: int) -> NoiseModel:
    """The noise model of the usual samples; where it leaves the rate open, training decides.

    Wrong labels that training takes long to learn stand out from the rest as a heap of their own,
    whose share is a rate found without any held-out prediction.
    """
    known, codes = [source[usual] for source in sources], evidence.labels.codes[usual]
    model = NoiseModel.fit(known, codes, seed)
    if evidence.has("logits"):
        share = float(upper_heap(_in_sample_scores(evidence, (), seed)[usual], seed).mean())
        if share > 0:
            return model.toward(share, known, codes, seed)
    return model


def rivalry(log_probabilities: Floats) -> Floats:
    """(N,) 0 where the second likeliest class is at most half as likely as the first, 1 if equal.

    Args:
        log_probabilities: (N, C), before the given label is seen.
    """
    ranked = np.partition(log_probabilities, -2, axis=1)
    rival: Floats = np.clip(2 * np.exp(ranked[:, -2] - ranked[:, -1]) - 1, 0, 1)
    return rival


def explains(model: NoiseModel, labels: Labels) -> bool:
    """Whether predictions explain a share of the labels' entropy, and more of it than by chance.

    By chance, twice the gain in log-likelihood is distributed as chi squared with as many degrees
    of freedom as the model has parameters (Wilks, 1938).
    """
    share = explained_share(model, labels)
    gain = 2 * len(labels) * share * class_entropy(labels)
    by_chance = float(chi2.isf(_CHANCE, len(model.weights) + model.degrees))
    return share >= LEAST_EXPLAINED and gain > by_chance


def class_entropy(labels: Labels) -> float:
    """Entropy of the frequencies of the given labels, in nats a sample."""
    shares = labels.counts[labels.counts > 0] / len(labels)
    return -float((shares * np.log(shares)).sum())


def explained_share(model: NoiseModel, labels: Labels) -> float:
    """Share of the entropy of the given labels that the predictions explain, in 0..1."""
    entropy = max(class_entropy(labels), 1e-12)
    return float(np.clip(1 + model.likelihood / entropy, 0, 1))


def judge_by_canaries(
    evidence: Evidence, canaries: CanaryEvidence, seed: int = 0
) -> tuple[LabelVerdict, Floats]:
    """Judge labels by models that learned them, and by canaries that these models learned too.

    Scores in two heaps need no canaries, and a canary is never quite like a wrong label of this
    data set: it may stick out more. So canaries decide where the scores are one skewed heap.

    Returns:
        The verdict on the N samples, and (K,) how likely each canary would be called wrong.
    """
    joined = canaries.joined(evidence)
    scores = _in_sample_scores(joined, held_out_sources(joined, seed), seed)
    size = len(evidence)
    own, beside = scores[:size], scores[size:]
    chance = chance_from_canaries(own, beside[canaries.flips])
    heap = upper_heap(own, seed)
    if heap.any():
        chance = heap
    called = np.interp(beside, np.sort(own), np.sort(chance[:size]))
    told = by_group(chance[:size], evidence.groups)
    probabilities = mean_over_epochs(evidence.need("logits"), softmax)
    verdict = LabelVerdict(
        _in_order(told, own),
        _without(probabilities, evidence.labels),
        np.zeros(size),
        (CANARY_NOTE,),
        {"noise_rate": float(told.mean())},
    )
    return verdict, called


def _from_training(evidence: Evidence, sources: Sequence[Floats], seed: int) -> LabelVerdict:
    """By the shape of the scores, and by what the network itself contradicts to the end.

    A network that learns wrong labels by heart leaves two heaps of scores, and contradicts nothing
    in the end. Before that, or to the end if it resists them (a robust loss, few epochs, little
    precision), it contradicts them in its own predictions, which then tell as much as held-out
    ones. So the quarter of the epochs that contradicts most counts, and the heaps where that is
    little beside them.
    """
    logits, labels = evidence.need("logits"), evidence.labels
    scores = _in_sample_scores(evidence, sources, seed)
    alternatives = _without(mean_over_epochs(logits, softmax), labels)
    heap = upper_heap(scores, seed)
    resisted = _most_contradicted(logits, labels, seed)
    if resisted is None:
        resisted = np.zeros(len(labels))
        if not (sources and explains(NoiseModel.fit(sources, labels.codes, seed), labels)):
            notes, details = (IN_SAMPLE_NOTE, UNLEARNABLE_NOTE), {"noise_rate": 0.0, **_UNKNOWN}
            return LabelVerdict(_in_order(resisted, scores), alternatives, resisted, notes, details)
    chances = heap
    if resisted.mean() > max(_CHANCE, _LEAST_OF_HEAP * float(heap.mean())):
        chances = calibrate(scores, resisted)
    chances = by_group(chances, evidence.groups)
    known = sorted((float(chances.mean()), float(heap.mean()), float(resisted.mean())))
    details = {"noise_rate": float(chances.mean()), "rate_range": (known[0], known[-1])}
    suspicion = _in_order(chances, scores)
    return LabelVerdict(suspicion, alternatives, np.zeros(len(scores)), (IN_SAMPLE_NOTE,), details)


def _most_contradicted(logits: Floats, labels: Labels, seed: int) -> Floats | None:
    """(N,) probability that a label is wrong by the quarter of the epochs that says most.

    None where no quarter predicts the labels better than a guess.
    """
    found: Floats | None = None
    for epochs in np.array_split(np.arange(len(logits)), min(_QUARTERS, len(logits))):
        own = [mean_over_epochs(logits[epochs[0] : epochs[-1] + 1], log_softmax)]
        model = NoiseModel.fit(own, labels.codes, seed)
        if not explains(model, labels):
            continue
        right = model.posterior(own, labels.codes)
        wrong = 1 - right[np.arange(len(labels)), labels.codes]
        if found is None or wrong.mean() > found.mean():
            found = wrong
    return found


def _in_sample_scores(evidence: Evidence, sources: Sequence[Floats], seed: int) -> Floats:
    """(N,) training dynamics, each in its own spread, and what neighbours and forest know."""
    codes = evidence.labels.codes
    total = np.zeros(len(codes))
    if evidence.logits is not None:
        total += np.sum([own_spread(one) for one in whole_training(evidence.logits, codes)], axis=0)
    if sources:
        # They add as much as they know: the share of the label's entropy that they explain.
        model = NoiseModel.fit(sources, codes, seed)
        right = model.posterior(sources, codes)
        doubt = 1 - right[np.arange(len(codes)), codes]
        known = explained_share(model, evidence.labels)
        total += known * common_scale(log_odds(doubt), doubt)
    return total


def _in_order(chances: Floats, scores: Floats) -> Floats:
    """The chances, which are the same for many samples, with the order of the scores inside."""
    ranks = np.argsort(np.argsort(scores, kind="stable"), kind="stable") / len(scores)
    ordered: Floats = np.clip(chances, 1e-6, 1 - 1e-6) + (ranks - 0.5) * 1e-6
    return ordered


def _without(probabilities: Floats, labels: Labels) -> Floats:
    """(N, C) rows with the given class taken out, scaled to sum to one."""
    others = np.array(probabilities, dtype=np.float64)
    others[np.arange(len(labels)), labels.codes] = 0
    others += 1e-12
    others[np.arange(len(labels)), labels.codes] = 0
    others /= others.sum(axis=1, keepdims=True)
    return others
