"""Whether the samples are independent and identically distributed along their order."""

import numpy as np
from scipy.stats import chi2, norm

from chaffinch.checks.registry import Finding, Severity, register
from chaffinch.checks.subject import Subject
from chaffinch.core.types import Codes, Floats

_LEVEL = 1e-4
_EFFECT = 0.03
_BLOCKS = 20
_NOTHING = 1e-5  # of what is rounding in float32
_DIRECTIONS = 64
_LEAST_MEMBERS = 50


@register(
    "non_iid",
    "data set",
    ("order", "vectors"),
    remedy="Shuffle before training, and split by group or by time rather than at random",
    basis="Permutation tests of neighbours and of blocks in the order",
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
        if len(codes) > 3 and len(np.unique(codes)) > 1:
            runs, p_value = label_order_test(codes)
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
    the variance that lies between 20 blocks of the order. Under permutations of the rows the first
    is normal with variance 1 / N in the limit (Wald and Wolfowitz, "An exact test for randomness in
    the non-parametric case based on serial correlation", 1943), and N times the second chi-squared.

    Args:
        vectors: (N, K) samples in their order. Columns that depart from their mean in so few rows
            that these limits do not hold are left out.
        seed: Draws directions, where there are more than 64 columns.

    Returns:
        The share by which the variance is lower, and a p-value with Bonferroni's correction.
    """
    count = len(vectors)
    kept = vectors.astype(np.float64)
    spread = kept.std(axis=0)
    kept = kept[:, spread > _NOTHING * np.abs(kept).max(axis=0, initial=0)]
    if kept.shape[1] > _DIRECTIONS:
        random = np.random.default_rng(seed)
        kept = kept @ random.normal(size=(kept.shape[1], _DIRECTIONS))
    if not kept.size or count < 2 * _BLOCKS:
        return 0.0, 1.0
    kept = (kept - kept.mean(axis=0)) / kept.std(axis=0)
    kept = kept[:, (kept**4).mean(axis=0) <= count / _LEAST_MEMBERS]
    if not kept.size:
        return 0.0, 1.0
    neighbours, between = order_statistics(kept)
    p_values = np.concatenate(
        [norm.sf(neighbours * np.sqrt(count)), chi2.sf(between * count, _BLOCKS - 1)]
    )
    effects = np.concatenate([neighbours, between - (_BLOCKS - 1) / count])
    corrected = np.minimum(1, len(effects) * p_values)
    passed = effects[corrected <= _LEVEL]
    least = int(np.argmin(corrected))
    return float(passed.max() if len(passed) else effects[least]), float(corrected[least])


def order_statistics(values: Floats) -> tuple[Floats, Floats]:
    """How much lower each variance is between neighbours, and how much of it is between blocks.

    Args:
        values: (N, K) columns of mean 0 and variance 1.

    Returns:
        (K,) both: 1 less half the mean squared difference, and the share between 20 blocks.
    """
    neighbours = 1 - ((values[1:] - values[:-1]) ** 2).mean(axis=0) / 2
    edges = np.linspace(0, len(values), _BLOCKS + 1).astype(np.int64)[:-1]
    sizes = np.diff([*edges, len(values)])
    means = np.add.reduceat(values, edges, axis=0) / sizes[:, None]
    return neighbours, (means**2 * sizes[:, None]).sum(axis=0) / len(values)


def label_order_test(codes: Codes) -> tuple[float, float]:
    """How much oftener neighbours in the order share a label than by chance, and its p-value.

    The number of neighbours that share their label is normal in the limit under permutations, with
    the variance of draws without replacement (Friedman and Rafsky's count on the path of the order,
    "Multivariate generalizations of the Wald-Wolfowitz and Smirnov two-sample tests", 1979).

    Args:
        codes: (N,) labels in the order of the samples.

    Returns:
        1 where all neighbours share their label, 0 as by chance, below 0 where they alternate.
    """
    count = len(codes)
    sizes = np.bincount(codes - codes.min()).astype(np.float64)
    # Chances that two, three and two pairs of different positions share a label.
    two = float((sizes * (sizes - 1)).sum()) / (count * (count - 1))
    three = float((sizes * (sizes - 1) * (sizes - 2)).sum()) / (count * (count - 1) * (count - 2))
    pairs = float((sizes * (sizes - 1)).sum()) ** 2
    pairs -= float((4 * sizes * (sizes - 1) * (sizes - 2) + 2 * sizes * (sizes - 1)).sum())
    four = pairs / (count * (count - 1) * (count - 2) * (count - 3))
    steps = count - 1
    square = steps * two + 2 * (steps - 1) * three + (steps - 1) * (steps - 2) * four
    spread = np.sqrt(max(square - (steps * two) ** 2, 0.0))
    same = float(np.count_nonzero(codes[1:] == codes[:-1]))
    if spread <= 0 or two >= 1:
        return 0.0, 1.0
    effect = (same / steps - two) / (1 - two)
    return effect, float(2 * norm.sf(abs(same - steps * two) / spread))


def _stretches(subject: Subject) -> list[Codes]:
    """Positions of the usable samples of each split, in their order."""
    usable = np.flatnonzero(subject.usable)
    if subject.split is None:
        return [usable]
    split = subject.split[usable]
    return [usable[split == code] for code in np.unique(split)]
