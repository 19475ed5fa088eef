"""Drift: whether the splits are drawn from one distribution."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency, ks_2samp, norm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from chaffinch.checks.registry import Finding, Severity, register
from chaffinch.checks.subject import Subject
from chaffinch.checks.vectors import is_number
from chaffinch.core.types import Codes, Floats, Mask

_LEVEL = 1e-3
_EFFECT = 0.1
_MOST_ROWS = 5_000
_MOST_LEVELS = 30
_LEAST_ROWS = 30
_AUROC = 0.6
_MOST_DIRECTIONS = 64


@register(
    "drift",
    "columns",
    ("split",),
    remedy="Find out how the splits were drawn; results on one may not hold on the other",
    basis="Kolmogorov-Smirnov and chi-squared tests with Holm's correction, effect of at least 0.1",
)
def drift(subject: Subject) -> Finding:
    """Columns, image properties or labels that differ between splits."""
    columns = _columns(subject)
    tested = []
    for one, other, name in _split_pairs(subject):
        for column, values in columns.items():
            effect, p_value = column_drift(values[one], values[other])
            tested.append((p_value, effect, f"{column} ({effect:.2f}{name})"))
    tested.sort()
    found = []
    for place, (p_value, effect, told) in enumerate(tested):
        if p_value * (len(tested) - place) > _LEVEL:
            break
        if effect >= _EFFECT:
            found.append((effect, told))
    found.sort(reverse=True)
    strong = bool(found) and found[0][0] >= 0.3
    return Finding("", "medium" if strong else "low", names=[told for _, told in found])


@register(
    "split_difference",
    "data set",
    ("split", "vectors"),
    remedy="Find out how the splits were drawn; results on one may not hold on the other",
    basis="Classifier two-sample test, Lopez-Paz and Oquab 2017; AUROC of at least 0.6",
)
def split_difference(subject: Subject) -> Finding:
    """A linear model can tell the splits apart."""
    vectors = subject.vectors
    if vectors is None:
        return Finding()
    found = []
    for one, other, name in _split_pairs(subject, subject.usable):
        auroc, p_value = classifier_test(vectors[one], vectors[other], subject.seed)
        if auroc >= _AUROC and p_value <= _LEVEL:
            found.append((auroc, f"AUROC {auroc:.2f}{name}"))
    found.sort(reverse=True)
    severity: Severity = "medium" if found and found[0][0] >= 0.8 else "low"
    return Finding(", ".join(told for _, told in found), severity, counted=int(bool(found)))


def column_drift(one: "pd.Series[Any]", other: "pd.Series[Any]") -> tuple[float, float]:
    """How much a column differs between two sets of samples, and how likely that is by chance.

    Returns:
        The Kolmogorov-Smirnov distance of numbers, else Cramer's V, with their p-values.
    """
    if is_number(one):
        first, second = (part.dropna().to_numpy(np.float64) for part in (one, other))
        if min(len(first), len(second)) < _LEAST_ROWS:
            return 0.0, 1.0
        test = ks_2samp(first, second, method="asymp")
        return float(test.statistic), float(test.pvalue)
    both = pd.concat([one, other], ignore_index=True).astype(str).fillna("")
    common = both.value_counts().index[:_MOST_LEVELS]
    side = np.repeat([0, 1], [len(one), len(other)])
    counts = pd.crosstab(both.where(both.isin(common), "\0"), side).to_numpy()
    if min(counts.shape) < 2 or min(len(one), len(other)) < _LEAST_ROWS:
        return 0.0, 1.0
    statistic, p_value, _, _ = chi2_contingency(counts)
    return float(np.sqrt(statistic / len(both))), float(p_value)


def classifier_test(one: Floats, other: Floats, seed: int) -> tuple[float, float]:
    """How well a linear model tells two sets of vectors apart on samples held out.

    Args:
        one: (N, K) vectors.
        other: (M, K) vectors.
        seed: Draws samples and directions.

    Returns:
        AUROC, at least 0.5, and its p-value under the null of the Mann-Whitney statistic.
    """
    random = np.random.default_rng(seed)
    parts = [part[np.sort(random.permutation(len(part))[:_MOST_ROWS])] for part in (one, other)]
    if min(map(len, parts)) < _LEAST_ROWS:
        return 0.5, 1.0
    values = np.concatenate(parts).astype(np.float64)
    side = np.repeat([0, 1], [len(part) for part in parts])
    if values.shape[1] > _MOST_DIRECTIONS:
        values = values @ random.normal(size=(values.shape[1], _MOST_DIRECTIONS))
    values = (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-12)
    model = LogisticRegression(class_weight="balanced", max_iter=200, tol=1e-3)
    scores = cross_val_predict(model, values, side, cv=3, method="decision_function")
    auroc = float(roc_auc_score(side, scores))
    counts = np.bincount(side)
    spread = np.sqrt((len(side) + 1) / (12 * counts[0] * counts[1]))
    return max(auroc, 0.5), float(norm.sf((auroc - 0.5) / spread))


def _columns(subject: Subject) -> dict[str, "pd.Series[Any]"]:
    """What is compared, by name: columns, label, properties of images, lengths of texts."""
    found: dict[str, pd.Series[Any]] = {}
    if subject.frame is not None:
        found |= {str(name): subject.frame[name] for name in subject.frame.columns}
    if subject.has("labels"):
        found["the label"] = pd.Series(subject.labels.texts, dtype=object)
    if subject.images is not None:
        for name in ("height", "width", "mean", "blur", "chroma"):
            found[f"image {name}"] = pd.Series(subject.properties[name])
    if subject.texts is not None:
        found["text length"] = pd.Series([float(len(text)) for text in subject.texts])
    return found


def _split_pairs(subject: Subject, kept: Mask | None = None) -> list[tuple[Codes, Codes, str]]:
    """Positions in the first split and in each other one, with words for the pair."""
    split = np.asarray(subject.split)
    rows = [
        np.flatnonzero((split == code) & (True if kept is None else kept))
        for code in range(len(subject.split_names))
    ]
    several = len(rows) > 2
    return [
        (rows[0], other, f" in {subject.split_names[code]}" if several else "")
        for code, other in enumerate(rows)
        if code > 0
    ]
