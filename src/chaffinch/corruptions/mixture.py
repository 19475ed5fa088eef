"""Several corruptions at once, at most one for each sample."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from chaffinch.core.errors import InputError
from chaffinch.corruptions.choice import exact_count
from chaffinch.corruptions.corrupted import CLEAN, Corrupted, untouched
from chaffinch.corruptions.corruption import CORRUPTIONS
from chaffinch.corruptions.sample import Samples

_FIRST, _LAST = "near_cluster", "near_duplicates"


def mixture(
    samples: Samples,
    labels: Iterable[Any],
    rates: Mapping[str, float],
    seed: int,
    *,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Corrupted:
    """Apply several corruptions, at most one to each sample.

    A near cluster comes first, since it removes rows, and near-duplicates last, so that the
    originals of the copies are clean; the others in the order given.

    Args:
        samples: N samples.
        labels: (N,) labels of any type.
        rates: Share of the N samples passed in, by name of a corruption.
        seed: Each corruption draws from a seed of its own, derived from this one and its position.
        options: Keyword arguments by name of the corruption, such as
            ``{"far_cluster": {"foreign": ...}}``.

    Returns:
        The samples; `Corrupted.table` has the kind of each.

    Raises:
        InputError: An unknown corruption, rates that sum to more than 1, or whatever one raises.
    """
    options = options or {}
    total = sum(exact_count(rate, len(samples)) for rate in rates.values())
    if total > len(samples):
        raise InputError("rates that sum to at most 1", f"{sum(rates.values()):g}", "Lower them")
    mixed = untouched(samples, labels)
    order = sorted(rates, key=lambda name: (name != _FIRST, name == _LAST))
    for place, name in enumerate(order):
        count = exact_count(rates[name], len(samples))
        corrupted = CORRUPTIONS[name](
            mixed.samples,
            mixed.labels,
            min(1.0, count / len(mixed)),
            seed * 1000 + place,
            among=mixed.kinds == CLEAN,
            **options.get(name, {}),
        )
        mixed = _onto(mixed, corrupted)
    return mixed


def even_mixture(
    samples: Samples,
    labels: Iterable[Any],
    rate: float,
    seed: int,
    *,
    parts: Sequence[str] = ("uniform_flips", "near_duplicates"),
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Corrupted:
    """`mixture` of some corruptions that share ``rate`` evenly.

    Raises:
        InputError: No parts, a rate outside 0..1, or whatever `mixture` raises.
    """
    if not parts:
        raise InputError("at least one corruption to mix", "none", "Name some in parts")
    count, shared = exact_count(rate, len(samples)), len(parts)
    shares = [count // shared + (place < count % shared) for place in range(shared)]
    rates = {name: one / len(samples) for name, one in zip(parts, shares, strict=True)}
    return mixture(samples, labels, rates, seed, options=options)


def _onto(before: Corrupted, after: Corrupted) -> Corrupted:
    """What was known before, in the rows that the last corruption left alone."""
    new = after.errors
    known = np.maximum(after.source, 0)  # -1 would be the last row; those are new anyway
    truth = np.where(new, after.truth, before.truth[known])
    # The source of a new row is a row of `before`, which has a source of its own.
    source = np.where(after.source < 0, -1, before.source[known])
    return Corrupted(
        after.samples,
        after.labels,
        np.where(new, after.kinds, before.kinds[known]),
        source.astype(np.int64),
        truth,
        np.where(new, after.details, before.details[known]),
    )
