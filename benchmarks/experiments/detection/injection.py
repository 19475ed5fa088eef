"""Which glitch a cell asks for, and what it is made of."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.cell import Protocol
from benchmarks.data import Splits, load_source
from chaffinch import corruptions
from chaffinch.core.randomness import stream
from chaffinch.core.types import Codes, Mask
from chaffinch.corruptions import Corrupted

_DONORS = {"mnist": "fashion_mnist", "fashion_mnist": "mnist", "cifar10": "mnist"}
_DONOR_SHARE = 12  # so that each of ten classes has as many samples as are to be replaced
_SHIFT, _SPREAD = 3.0, 0.3


def inject_glitch(
    splits: Splits,
    glitch: str,
    rate: float,
    seed: int,
    settings: Mapping[str, Any],
    protocol: Protocol = "corrected",
) -> Corrupted:
    """Make a share of the training samples wrong.

    Args:
        splits: The data; their training part is copied.
        glitch: What `chaffinch.corruptions.apply` takes.
        rate: Share of the training samples.
        seed: Decides which, and how.
        settings: ``severity`` of a corruption; ``mixture``, rates by name of a glitch.
        protocol: ``paper`` draws the label of a uniform flip among all classes, so that one of C
            "flips" keeps its label, and counts it as an error all the same.

    Returns:
        Samples in their natural form with labels as codes.

    Raises:
        InputError: An unknown glitch, or one that the data do not allow.
    """
    samples, codes = splits.train.samples, splits.train.codes
    seed = int(stream(seed, f"glitch {glitch}").integers(2**31 // 1000))
    if glitch == "mixture":
        rates = settings.get("mixture", {})
        options = {name: _options(splits, name, seed, settings) for name in rates}
        return corruptions.mixture(samples, codes, rates, seed, options=options)
    if glitch == "uniform_flips" and protocol == "paper":
        return corruptions.mislabel(samples, codes, rate, seed, flip=published_flips)
    options = _options(splits, glitch, seed, settings)
    return corruptions.apply(glitch, samples, codes, rate, seed, **options)


def _options(splits: Splits, glitch: str, seed: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    if glitch == "far_cluster":
        return foreign_samples(splits, seed)
    if glitch in corruptions.SAMPLE_CORRUPTIONS and "severity" in settings:
        return {"severity": settings["severity"]}
    return {}


def published_flips(
    labels: Codes, rate: float, seed: int, *, among: Mask | None = None
) -> tuple[Codes, Mask]:
    """Flips as released with the study of influence signals (Myrtakis et al., 2024).

    The new label is drawn among all classes: about one "flip" of C keeps its label.

    Args:
        labels: (N,) codes.
        rate: Share to flip.
        seed: Chooses samples and labels.
        among: (N,) samples that may be flipped; None for all.

    Returns:
        The labels (N,), and (N,) whether each was drawn to be flipped.
    """
    random = stream(seed, "published flips")
    free = np.arange(len(labels)) if among is None else np.flatnonzero(among)
    chosen = random.choice(free, round(rate * len(labels)), replace=False)
    given, errors = labels.copy(), np.zeros(len(labels), dtype=np.bool_)
    given[chosen] = random.choice(np.unique(labels), len(chosen))
    errors[chosen] = True
    return given, errors


def foreign_samples(splits: Splits, seed: int) -> dict[str, Any]:
    """Samples from elsewhere that form one far cluster, for `corruptions.far_cluster`.

    MNIST gets a class of Fashion-MNIST, Fashion-MNIST and CIFAR-10 one of MNIST (with a black
    margin and three equal channels), other images a random pattern with noise. Tables get rows
    around one point three standard deviations off in every number, with one category a column.
    """
    train = splits.train.samples
    if not splits.are_images:
        return {"foreign": _far_rows(train, seed)}
    donor = _DONORS.get(splits.name)
    if donor is None:
        return {"foreign": _patterns(train.shape, seed)}
    source = load_source(donor)
    order = stream(seed, "donors").permutation(len(source.samples))
    rows = order[: _DONOR_SHARE * len(train)]
    return {
        "foreign": _fit(source.samples[rows], train.shape[1:]),
        "foreign_labels": source.labels[rows],
    }


def _fit(images: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    high, wide = (shape[axis] - images.shape[axis + 1] for axis in (0, 1))
    margins = ((0, 0), (high // 2, high - high // 2), (wide // 2, wide - wide // 2))
    images = np.pad(images, margins)
    return np.repeat(images[..., None], shape[2], axis=3) if len(shape) == 3 else images


def _patterns(shape: tuple[int, ...], seed: int) -> NDArray[np.uint8]:
    random = stream(seed, "pattern")
    pattern = random.uniform(0, 255, shape[1:])
    noisy = pattern + random.normal(0, 25, shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def _far_rows(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    random = stream(seed, "far rows")
    made: dict[str, Any] = {}
    for name in table.columns:
        column = table[name]
        if not pd.api.types.is_numeric_dtype(column):
            known = column.dropna().unique()
            made[str(name)] = pd.Series([random.choice(known)] * len(table), dtype=column.dtype)
            continue
        side = random.choice([-1.0, 1.0])
        steps = side * _SHIFT + _SPREAD * random.normal(size=len(table))
        values = float(column.mean()) + float(column.std()) * steps
        whole = pd.api.types.is_integer_dtype(column)
        made[str(name)] = pd.Series(np.rint(values) if whole else values).astype(column.dtype)
    return pd.DataFrame(made)
