"""How likely labels are wrong, under an assumption on what a label is.

A model of noise (`chaffinch.diagnosis.noise_model`) takes softness of the predictions for ambiguity
wherever it can. That is right where labels are outcomes or opinions (``graded``: income,
sentiment), and wrong where each sample has one right class and it is people who are soft on it
(``crisp``: what is in the picture). Predictions and labels alone do not tell which of the two it
is; what the surest predictions contradict does (`chaffinch.diagnosis.floor`), in part. Three things
are added to the model here, each only as far as that floor demands it:

- slips as frequent as the floor says, where the model has fewer;
- classes that are taken for another one (`chaffinch.diagnosis.class_pairs`);
- mistakes on hard samples: by each nat that predictions prefer another class to the given one, the
  chance that the label is right falls by the factor ``exp(-crispness)``. If r are the true and q
  the predicted frequencies of labels and r is proportional to q to the power 1 + crispness, this is
  what remains of it (each sample having a rate of errors of its own).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.special import logsumexp

from chaffinch.core.randomness import stream
from chaffinch.core.types import Assumption as Assumption
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.diagnosis.class_pairs import ClassPair, find_class_pairs
from chaffinch.diagnosis.floor import Floor, calibrated, read_floor
from chaffinch.diagnosis.likelihood import centred
from chaffinch.diagnosis.noise_model import MAX_FIT_SAMPLES, NoiseModel

_LEAST_RATE = 1e-5
_EXCESS = 0.5
"""Mistakes on hard samples beyond the floor f of mistakes: 0.5 sqrt(f (1 - f)) of all samples with
a model that errs nowhere. Chosen on sets of development; docs/judgement.md shows how flat it is."""
_DAMPING = 1.5
_CRISPEST = 50.0
_HALF_WEIGHT = 100  # validation samples that count as much as what the floor says
_LEAST_AGREEMENT = 0.5


@dataclass(frozen=True, eq=False)
class LabelNoise:
    """What is wrong with the labels of N samples, by their held-out predictions.

    Attributes:
        wrong: (N,) probability that the label is wrong.
        rate: Its mean over the samples from which the frequency of errors is learned.
        right: (N, C) probability of each class being the right one.
        model: The noise model behind it.
        floor: What the surest predictions contradict.
        crispness: 0 = labels are as soft as predictions; the larger, the more of that is mistakes.
        pairs: Classes that are taken for another one.
        used_validation: Whether validation samples had a say; None if there were none.
        assume: What was assumed of the labels.
        told: 0..1, how far validation samples decided the rate.
        outside: Share of all labels that are wrong in groups that the floor was not read from.
        within: Share of the samples in all other groups.
    """

    wrong: Floats
    rate: float
    right: Floats
    model: NoiseModel
    floor: Floor
    crispness: float
    pairs: tuple[ClassPair, ...] = ()
    used_validation: bool | None = None
    assume: Assumption = "auto"
    told: float = 0.0
    outside: float = 0.0
    within: float = 1.0

    @property
    def low(self) -> float:
        """A rate of wrong labels that needs no assumption."""
        return min(self.within * self.floor.low + self.outside, self.rate)

    @property
    def high(self) -> float:
        """The rate if every sample has one right class, as far as nothing says otherwise."""
        ceiling = self.within * self.floor.ceiling + self.outside
        beyond = 0.0 if self.assume == "graded" else max(ceiling - self.rate, 0)
        return self.rate + (1 - self.told) * beyond


@dataclass(frozen=True, eq=False)
class CleanSamples:
    """M samples whose labels are right, and predictions for them.

    Attributes:
        codes: (M,) their labels.
        sources: Arrays (M, C) of log-probabilities by models that learned the N given labels.
        beside: The same sources for the N samples, (N, C), made without their own labels.
    """

    codes: Codes
    sources: Sequence[Floats]
    beside: Sequence[Floats]


def judge_noise(
    model: NoiseModel,
    sources: Sequence[Floats],
    codes: Codes,
    assume: Assumption = "auto",
    clean: CleanSamples | None = None,
    seed: int = 0,
    usual: Mask | None = None,
) -> LabelNoise:
    """Say how likely each label is wrong.

    Args:
        model: Fitted to these samples.
        sources: R arrays (N, C) of log-probabilities made without the sample's own label.
        codes: (N,) given labels.
        assume: What a label is.
        clean: Validation samples, which say how soft right labels are.
        seed: Chooses the samples to fit on where there are many.
        usual: (N,) samples from which the frequency of errors is learned; None for all.
    """
    everyone = np.arange(len(codes)) if usual is None else np.flatnonzero(usual)
    part = _part(everyone, seed)
    stack = np.stack([centred(source[part]) for source in sources])
    soft = model.at_rate(_LEAST_RATE, stack, codes[part])
    given = calibrated(soft.predict(sources), codes, part)[everyone]
    floor = read_floor(given, codes[everyone])
    pairs = tuple(find_class_pairs(given, codes[everyone]))
    mistakes = 0.0
    if pairs:
        model = model.with_pairs(pairs, stack, codes[part])
    else:
        mistakes = floor.mistakes(model.rate)
        slips = floor.low * (1 - mistakes)
        if model.transition is None and model.rate < slips:
            model = model.at_rate(slips, stack, codes[part])
    before = model.predict(sources)
    right = model.posterior(sources, codes, before)
    rows = np.arange(len(codes))
    wrong = 1 - right[rows, codes]
    lead = before.max(axis=1) - before[rows, codes]
    rate = expected_rate(floor, wrong[everyone], mistakes, assume)
    if pairs and assume == "auto":  # more pairs than these may make up the floor
        rate = max(rate, floor.low)
    crispness = crispness_for(rate, wrong[everyone], lead[everyone])
    used, share = None, 0.0
    if clean is not None:
        beside = np.stack([centred(source[part]) for source in clean.beside])
        known = model.at_rate(max(model.rate, _LEAST_RATE), beside, codes[part])
        told = crispness_by_clean(known.predict(clean.sources), clean.codes, floor)
        used = told is not None
        if told is not None and assume != "graded":
            share = len(clean.codes) / (len(clean.codes) + _HALF_WEIGHT)
            crispness = share * told + (1 - share) * crispness
    blame = np.exp(-crispness * lead)
    right[rows, codes] *= blame
    if crispness > 0:
        others = before.copy()
        others[rows, codes] = -np.inf
        best = others.argmax(axis=1)
        right[rows, best] += (1 - wrong) * (1 - blame)
    wrong = 1 - (1 - wrong) * blame
    rate = float(wrong[everyone].mean())
    return LabelNoise(wrong, rate, right, model, floor, crispness, pairs, used, assume, share)


def expected_rate(floor: Floor, wrong: Floats, mistakes: float, assume: Assumption) -> float:
    """Share of wrong labels to expect under the assumption; that of the noise model at least.

    Args:
        floor: What the surest predictions contradict.
        wrong: (N,) probability that each label is wrong, by slips and pairs of classes.
        mistakes: See `Floor.mistakes`.
        assume: What a label is.
    """
    fitted = float(wrong.mean())
    if assume == "graded":
        return fitted
    if assume == "crisp":
        return max(fitted, floor.ceiling)
    if mistakes == 0:
        return fitted
    base = floor.smooth_rate * mistakes
    hard = _EXCESS * np.sqrt(base * (1 - base)) * floor.strength**_DAMPING
    beyond = max(floor.smooth_rate - fitted, 0) * mistakes + hard
    expected = min(fitted, floor.smooth_rate) + floor.certainty * beyond
    return float(max(fitted, min(floor.ceiling, expected)))


def crispness_for(rate: float, wrong: Floats, lead: Floats) -> float:
    """The crispness at which so many labels are expected to be wrong.

    Args:
        rate: Share of wrong labels wanted.
        wrong: (N,) probability that each is wrong without it.
        lead: (N,) log-odds of the likeliest class over the given one, at least 0.
    """

    def excess(crispness: float) -> float:
        return float((1 - (1 - wrong) * np.exp(-crispness * lead)).mean()) - rate

    if excess(0.0) >= 0:
        return 0.0
    if excess(_CRISPEST) <= 0:
        return _CRISPEST
    return float(brentq(excess, 0.0, _CRISPEST, xtol=1e-3))


def crispness_by_clean(log_probabilities: Floats, codes: Codes, floor: Floor) -> float | None:
    """How much surer right labels are than predictions of the given ones, from validation samples.

    The power of the predictions that makes the right labels likeliest, less one; drawn towards none
    where few samples leave it open.

    Args:
        log_probabilities: (M, C) of the validation samples.
        codes: (M,) their labels.
        floor: That of the training labels, with which they are compared.

    Returns:
        None where the labels of the validation samples contradict the predictions so much more
        often than training labels do that they must mean something else.
    """
    agreed = float((log_probabilities.argmax(axis=1) == codes).mean())
    if agreed < _LEAST_AGREEMENT * (1 - floor.disagreement):
        return None
    rows = np.arange(len(codes))

    def cost(log_power: float) -> float:
        scores = np.exp(log_power) * log_probabilities
        return -float((scores[rows, codes] - logsumexp(scores, axis=1)).sum())

    found = minimize_scalar(cost, bounds=(-1.0, 3.0), method="bounded")
    gain = 2 * (cost(0.0) - float(found.fun))
    power = float(np.exp(found.x))
    shrunk = max(power - 1, 0.0) * max(0.0, 1 - 1 / max(gain, 1e-12))
    return float(shrunk)


def _part(rows: Codes, seed: int) -> Codes:
    """At most so many rows to fit on."""
    if len(rows) <= MAX_FIT_SAMPLES:
        return rows
    return np.sort(stream(seed, "label noise").choice(rows, MAX_FIT_SAMPLES, replace=False))
