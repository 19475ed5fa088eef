"""Label flips.

Every flip changes its label: drawing the new label among all classes, as is often done, leaves one
of C "flips" as it was and makes every figure computed from them wrong.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chaffinch.core.errors import InputError
from chaffinch.core.labels import Labels
from chaffinch.core.randomness import stream
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.corruptions.choice import choose_rows, everyone
from chaffinch.corruptions.corrupted import MISLABELLED, Corrupted, untouched
from chaffinch.corruptions.sample import Samples

Flip = Callable[..., tuple[NDArray[Any], Mask]]


def uniform_flips(
    labels: Iterable[Any], rate: float, seed: int, *, among: Mask | None = None
) -> tuple[NDArray[Any], Mask]:
    """Give a share of the samples another class, each other class being equally likely.

    Args:
        labels: (N,) labels of any type.
        rate: Share to flip, in 0..1; rounded to a whole number of samples.
        seed: Chooses samples and new labels.
        among: (N,) samples that may be flipped; None for all.

    Returns:
        The labels (N,) with the flips, and (N,) whether each was flipped.

    Raises:
        InputError: A rate outside 0..1, one class only, or too few samples that may be flipped.
    """
    given = _at_least_two(labels)
    num_classes = len(given.classes)
    # Not a stream of its own: figures published with this function hang on these very draws.
    random = np.random.default_rng(seed)
    chosen = choose_rows(rate, everyone(among, len(given)), random)
    codes = given.codes.copy()
    codes[chosen] = (codes[chosen] + random.integers(1, num_classes, len(chosen))) % num_classes
    return _flipped(given, codes)


def class_dependent_flips(
    labels: Iterable[Any],
    rate: float,
    seed: int,
    partners: Mapping[Any, Any] | None = None,
    *,
    among: Mask | None = None,
) -> tuple[NDArray[Any], Mask]:
    """Give a share of the samples the one partner of their class.

    Args:
        labels: (N,) labels of any type.
        rate: Share of all samples to flip, in 0..1; rounded to a whole number.
        seed: Chooses samples, and the partners where none are given.
        partners: Partner of a class by class; samples of classes that are not named stay as they
            are. None for a random circle through all classes, so that each is a partner once.
        among: (N,) samples that may be flipped; None for all.

    Returns:
        The labels (N,) with the flips, and (N,) whether each was flipped.

    Raises:
        InputError: A rate outside 0..1, one class only, a partner that is no other class, or too
            few samples of the classes that have one.
    """
    given = _at_least_two(labels)
    random = stream(seed, "class-dependent flips")
    target = np.full(len(given.classes), -1, dtype=np.int64)
    if partners is None:
        circle = random.permutation(len(given.classes))
        target[circle] = np.roll(circle, -1)
    else:
        _read_partners(partners, given, target)
    free = everyone(among, len(given)) & (target[given.codes] >= 0)
    chosen = choose_rows(rate, free, random, "samples of classes with a partner")
    codes = given.codes.copy()
    codes[chosen] = target[codes[chosen]]
    return _flipped(given, codes)


def pair_flips(
    labels: Iterable[Any], rate: float, seed: int, *, among: Mask | None = None
) -> tuple[NDArray[Any], Mask]:
    """Give a share of the samples the next class in sorted order, the last class the first.

    Arguments, result and errors are those of `class_dependent_flips`.
    """
    classes = _at_least_two(labels).classes.tolist()
    partners = dict(zip(classes, [*classes[1:], classes[0]], strict=True))
    return class_dependent_flips(labels, rate, seed, partners, among=among)


def flips_by_matrix(labels: Iterable[Any], matrix: Floats, seed: int) -> tuple[NDArray[Any], Mask]:
    """Flip by a transition matrix, in exact numbers.

    Args:
        labels: (N,) labels of any type, of C classes.
        matrix: (C, C) share of the samples of each class (row, in sorted order) that are given
            each label (column); rows sum to 1. Of ``n`` samples of class i, ``n * matrix[i, j]``
            become j, rounded so that each row of counts sums to n (largest remainders first).
        seed: Chooses the samples.

    Returns:
        The labels (N,) with the flips, and (N,) whether each was flipped.

    Raises:
        InputError: One class only, or a matrix of another shape, with negative shares or with rows
            that do not sum to 1.
    """
    given = _at_least_two(labels)
    shares = np.asarray(matrix, dtype=np.float64)
    size = len(given.classes)
    if shares.shape != (size, size) or (shares < 0).any() or abs(shares.sum(1) - 1).max() > 1e-6:
        raise InputError(
            f"a ({size}, {size}) matrix of shares whose rows sum to 1",
            f"shape {shares.shape}, smallest entry {shares.min(initial=0):g}",
            "Divide each row of counts by its sum",
        )
    random = stream(seed, "flips by matrix")
    codes = given.codes.copy()
    for code in range(size):
        rows = random.permutation(np.flatnonzero(given.codes == code))
        counts = round_to_total(shares[code] * len(rows), len(rows))
        codes[rows] = np.repeat(np.arange(size), counts)
    return _flipped(given, codes)


def round_to_total(parts: Floats, total: int) -> Codes:
    """Whole numbers near ``parts`` that sum to ``total``: the largest remainders are rounded up."""
    low = np.floor(parts + 1e-9).astype(np.int64)
    missing = total - int(low.sum())
    order = np.argsort(-(parts - low), kind="stable")
    low[order[:missing]] += 1
    return np.asarray(low, dtype=np.int64)


def mislabel(
    samples: Samples,
    labels: Iterable[Any],
    rate: float,
    seed: int,
    *,
    flip: Flip = uniform_flips,
    among: Mask | None = None,
    **options: Any,
) -> Corrupted:
    """Label flips of one of the functions above, with the kind of each sample.

    Args:
        samples: N samples, which stay as they are.
        labels: (N,) labels of any type.
        rate: Share of the samples to flip, in 0..1.
        seed: As ``flip`` uses it; the same flips as ``flip`` alone would make.
        flip: `uniform_flips`, `class_dependent_flips` or `pair_flips`.
        among: (N,) samples that may be flipped; None for all.
        options: Passed on to ``flip``.

    Raises:
        InputError: As ``flip``, or another number of labels than of samples.
    """
    clean = untouched(samples, labels)
    flipped, errors = flip(clean.labels, rate, seed, among=among, **options)
    given, kinds, details = clean.labels.copy(), clean.kinds.copy(), clean.details.copy()
    given[errors] = flipped[errors]
    kinds[errors] = MISLABELLED
    details[errors] = flip.__name__.replace("_", " ").removesuffix("s")
    return replace(clean, labels=given, kinds=kinds, details=details)


def _at_least_two(labels: Iterable[Any]) -> Labels:
    given = Labels.of(labels)
    if len(given.classes) < 2:
        raise InputError("at least two classes to flip between", "one", "Pass other labels")
    return given


def _read_partners(partners: Mapping[Any, Any], given: Labels, target: Codes) -> None:
    code_of = {value: code for code, value in enumerate(given.classes.tolist())}
    for one, other in partners.items():
        if one not in code_of or other not in code_of or one == other:
            raise InputError(
                f"partners among the classes {', '.join(given.names)}, none its own",
                f"{one!r}: {other!r}",
                "Name two different classes of the labels",
            )
        target[code_of[one]] = code_of[other]


def _flipped(given: Labels, codes: Codes) -> tuple[NDArray[Any], Mask]:
    return given.classes[codes], codes != given.codes
