"""Whether the samples are independent and identically distributed along their order."""

import numpy as np
from scipy.stats import norm

from chaffinch.checks.registry import Finding, Severity, register
from chaffinch.checks.subject import Subject
from chaffinch.core.types import Codes, Floats

_PERMUTATIONS = 99
_LEVEL = 1e-4
_EFFECT = 0.03
_BLOCKS = 20
_DIRECTIONS = 64
_MOST_ROWS = 20_000


@register(
    "non_iid",
    "data set",
    ("order", "vectors"),
    remedy="Shuffle before training, and split by group or by time rather than at random",
    basis="Permutation test of the distances between samples next to each other in the order",
)
def non_iid(subject: Subject) -> Finding:
    """Samples near each other in the order are more alike than chance."""
    vectors = subject.vectors
    if vectors is None:
        return Finding()
    found = []
    for rows in _stretches(subject):
        likeness, p_value = order_test(vectors[rows], subject.seed)
        if p_value <= _LEVEL and likeness >= _EFFECT:
            found.append((likeness, f"content (variance within the order {likeness:.0%} lower)"))
        codes = subject.labels.codes[rows]
        if len(np.unique(codes)) > 1:
            runs, p_value = label_order_test(codes, subject.seed)
            if p_value <= _LEVEL and abs(runs) >= _EFFECT:
                told = "sorted or in runs" if runs > 0 else "alternate"
                found.append((abs(runs), f"labels ({told})"))
    severity: Severity = "medium" if max([one for one, _ in found], default=0) >= 0.2 else "low"
    told = ", ".join(dict.fromkeys(text for _, text in sorted(found, reverse=True)))
    return Finding(told, severity, counted=int(bool(found)))


def order_test(vectors: Floats, seed: int) -> tuple[float, float]:
    """How much more alike samples are near each other in the order, and how likely by chance.

    Two statistics of each column, of which the greatest counts: how much smaller the squared
    distance between neighbours is than between samples at random (von Neumann, "Distribution of
    the ratio of the mean square successive difference to the variance", 1941), and the share of
    the variance that lies between
    20 blocks of the order. Their means and spreads come from 99 permutations of the rows.

    Args:
        vectors: (N, K) samples in their order.
        seed: Draws projections and permutations.

    Returns:
        The share by which the variance is lower, and a p-value by the normal distribution with
        Bonferroni's correction.
    """
    random = np.random.default_rng(seed)
    kept = vectors[:, vectors.std(axis=0) > 0].astype(np.float64)
    if kept.shape[1] > _DIRECTIONS:
        kept = kept @ random.normal(size=(kept.shape[1], _DIRECTIONS))
    if not kept.size or len(kept) < 2 * _BLOCKS:
        return 0.0, 1.0
    kept = (kept - kept.mean(axis=0)) / kept.std(axis=0)
    observed = _statistics(kept)
    drawn = np.stack([_statistics(random.permutation(kept)) for _ in range(_PERMUTATIONS)])
    effects = observed - drawn.mean(axis=0)
    p_values = [
        min(1.0, len(effects) * _p_value(float(effect), column - column.mean(), column.std()))
        for effect, column in zip(effects, drawn.T, strict=True)
    ]
    least = int(np.argmin(p_values))
    passed = [effect for effect, p in zip(effects, p_values, strict=True) if p <= _LEVEL]
    return float(max(passed, default=effects[least])), p_values[least]


def label_order_test(codes: Codes, seed: int) -> tuple[float, float]:
    """How much oftener neighbours in the order share a label than by chance, and its p-value.

    Args:
        codes: (N,) labels in the order of the samples.
        seed: Draws permutations.

    Returns:
        1 where all neighbours share their label, 0 as by chance, below 0 where they alternate.
    """
    random = np.random.default_rng(seed)
    shares = np.bincount(codes - codes.min()) / len(codes)
    chance = float((shares**2).sum())
    same = float(np.mean(codes[1:] == codes[:-1]))
    drawn = np.asarray([_same(random.permutation(codes)) for _ in range(_PERMUTATIONS)])
    effect = (same - chance) / max(1 - chance, 1e-12)
    return effect, _p_value(abs(same - drawn.mean()), np.abs(drawn - drawn.mean()), drawn.std())


def _statistics(values: Floats) -> Floats:
    """(2 K,) how much lower each variance is between neighbours, and within blocks, than of all."""
    neighbours = 1 - ((values[1:] - values[:-1]) ** 2).mean(axis=0) / 2
    edges = np.linspace(0, len(values), _BLOCKS + 1).astype(np.int64)[:-1]
    sizes = np.diff([*edges, len(values)])
    means = np.add.reduceat(values, edges, axis=0) / sizes[:, None]
    between = (means**2 * sizes[:, None]).sum(axis=0) / len(values)
    return np.concatenate([neighbours, between])


def _p_value(effect: float, drawn: Floats, spread: float) -> float:
    if spread <= 0:
        return 1.0
    counted = (1 + np.count_nonzero(drawn >= effect)) / (1 + len(drawn))
    return float(norm.sf(effect / spread)) if counted <= 1 / (1 + len(drawn)) else float(counted)


def _same(codes: Codes) -> float:
    return float(np.mean(codes[1:] == codes[:-1]))


def _stretches(subject: Subject) -> list[Codes]:
    """Positions of the usable samples of each split, in their order; of long ones the first."""
    usable = np.flatnonzero(subject.usable)
    if subject.split is None:
        return [usable[:_MOST_ROWS]]
    split = subject.split[usable]
    return [usable[split == code][:_MOST_ROWS] for code in np.unique(split)]
