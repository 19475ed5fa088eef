"""Label noise where groups of samples (sources, annotators, time slices) have rates of their own.

A group with many wrong labels says nothing of how soft right labels are or of the mistakes that
people make elsewhere, so what is learned beside the rates may be learned from the other groups
alone. Of these views on the labels the one counts that tells best by a label which group it is of:
contradictions that are as frequent in all groups are rather the model's own mistakes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logit, logsumexp

from chaffinch.core.group_note import worse_groups
from chaffinch.core.sample_groups import SampleGroups
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.diagnosis.fusion import log_odds
from chaffinch.diagnosis.group_rate import GroupRates, rates_of_labels, slip_ratios
from chaffinch.diagnosis.label_noise import Assumption, LabelNoise

_LEAST_REFERENCE = 200
_LEAST_COMMON = 1e-5
_TINY = 1e-12


@dataclass(frozen=True, eq=False)
class GroupNoise:
    """What is wrong with the labels of N samples, each under the rate of its group.

    Attributes:
        noise: The verdict.
        alike: (N,) probability that each label is wrong under one rate for all.
        groups: Of the samples.
        shift: (G,) log-odds that a label's group adds to those.
    """

    noise: LabelNoise
    alike: Floats
    groups: SampleGroups
    shift: Floats

    def told(self, alike: Floats) -> Floats:
        """(N,) probability that each label is wrong, from that under one rate for all."""
        regrouped: Floats = expit(log_odds(alike) + self.shift[self.groups.codes])
        return regrouped


Judge = Callable[[Mask, Assumption], LabelNoise]
"""Says what is wrong with labels: as learned from some samples (N,), under an assumption."""


def judge_groups(
    noise: LabelNoise,
    judge: Judge,
    sources: Sequence[Floats],
    codes: Codes,
    groups: SampleGroups,
    usual: Mask,
    seed: int = 0,
) -> GroupNoise | None:
    """Judge labels under the rates of their groups.

    Args:
        noise: Under one rate for all.
        judge: Gives it as learned from other samples.
        sources: R arrays (N, C) of log-probabilities made without the sample's own label.
        codes: (N,) given labels.
        groups: Of the samples.
        usual: (N,) samples to learn from.
        seed: Chooses the samples to fit on where there are many.

    Returns:
        None where the groups differ by no more than chance.
    """
    first = rates_of_labels(noise.model, sources, codes, groups, usual, seed)
    if not first.differ:
        return None
    counts = groups.sums(usual.astype(np.float64))
    rest = usual & ~worse_groups(first.rates * counts, counts)[groups.codes]
    told = _Told.of(noise, usual, sources, codes, groups, usual)
    same = np.array_equal(np.unique(codes[rest]), np.unique(codes[usual]))
    if same and not np.array_equal(rest, usual) and np.count_nonzero(rest) >= _LEAST_REFERENCE:
        assumed: list[Assumption] = ["graded", "auto"] if noise.assume == "auto" else [noise.assume]
        others = [
            _Told.of(judge(rest, one), rest, sources, codes, groups, usual) for one in assumed
        ]
        told = max((*others, told), key=lambda one: one.rates.gain)
    return told.verdict(codes, groups, usual)


@dataclass(frozen=True, eq=False)
class _Told:
    """One view on what errors look like, and how well it tells the groups apart.

    Attributes:
        noise: The view.
        learned: (N,) samples that it was learned from.
        ratios: (N,) log-likelihood of each label if it is wrong, less that if it is right.
        rates: Of the groups under it.
    """

    noise: LabelNoise
    learned: Mask
    ratios: Floats
    rates: GroupRates

    @classmethod
    def of(
        cls,
        noise: LabelNoise,
        learned: Mask,
        sources: Sequence[Floats],
        codes: Codes,
        groups: SampleGroups,
        usual: Mask,
    ) -> "_Told":
        ratios = _ratios(noise, sources, codes, learned)
        rates = GroupRates.fit(ratios[usual], groups.codes[usual], len(groups.names))
        return cls(noise, learned, ratios, rates)

    def verdict(self, codes: Codes, groups: SampleGroups, usual: Mask) -> GroupNoise:
        """What it says of each label under the rate of its group."""
        noise, size, odds = self.noise, np.count_nonzero(usual), self.rates.odds
        wrong = expit(self.ratios + odds[groups.codes])
        right = noise.right * (wrong / np.maximum(noise.wrong, _TINY))[:, None]
        right[np.arange(len(codes)), codes] = 1 - wrong
        noise = replace(
            noise,
            wrong=wrong,
            right=right,
            rate=float(wrong[usual].mean()),
            outside=float(wrong[usual & ~self.learned].sum()) / size,
            within=np.count_nonzero(self.learned) / size,
        )
        common = logit(np.clip(noise.rate, _LEAST_COMMON, 1 - _LEAST_COMMON))
        return GroupNoise(noise, expit(self.ratios + common), groups, odds - common)


def _ratios(noise: LabelNoise, sources: Sequence[Floats], codes: Codes, learned: Mask) -> Floats:
    """(N,) log-likelihood of each label if it is wrong, less that if it is right.

    Errors of a group are like those of the samples that were learned from, or fall on all other
    classes alike: nothing tells which, so both count the same.
    """
    common = float(np.clip(noise.wrong[learned].mean(), _LEAST_COMMON, 1 - _LEAST_COMMON))
    alike = log_odds(noise.wrong) - logit(common)
    scores = (1 + noise.crispness) * noise.model.predict(sources)
    scores -= logsumexp(scores, axis=1, keepdims=True)
    mixed: Floats = np.logaddexp(alike, slip_ratios(scores, codes)) - np.log(2)
    return mixed


def by_group(wrong: Floats, groups: SampleGroups | None) -> Floats:
    """(N,) probability that each label is wrong, from that under one rate for all.

    For suspicions that no predictions without the sample's own label are behind.

    Args:
        wrong: (N,) in 0..1.
        groups: Of the samples; without them, or where they are alike, nothing changes.
    """
    if groups is None:
        return wrong
    common = logit(np.clip(wrong.mean(), _LEAST_COMMON, 1 - _LEAST_COMMON))
    ratios = log_odds(wrong) - common
    found = GroupRates.fit(ratios, groups.codes, len(groups.names))
    regrouped: Floats = expit(ratios + found.odds[groups.codes]) if found.differ else wrong
    return regrouped
