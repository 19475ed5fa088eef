"""The sets: given labels, what is right, and the evidence that a judge gets.

>>> from benchmarks.people.sets import SETS, load_set
>>> case = load_set("letter/uniform-10", seed=0)
>>> case.codes, case.probabilities, case.embeddings, case.errors  # doctest: +SKIP
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.people import base, human
from benchmarks.people.case import Case, Clean
from benchmarks.people.folds import predict_folds
from benchmarks.people.noise import RECIPES

SMALL_ROWS, SMALL_CLASSES = 850, 4


@dataclass(frozen=True)
class Size:
    """How many samples the sets have.

    Attributes:
        injected: Of injected and clean sets.
        human: At most, of sets with labels that people gave.
        clean: Validation samples with right labels, apart from all others.
    """

    injected: int
    human: int
    clean: int = 500


STANDARD, QUICK = Size(3000, 6000), Size(1500, 2000)


@dataclass(frozen=True)
class Set:
    """One set.

    Attributes:
        group: ``human``, ``uniform``, ``systematic``, ``clean`` or ``small``.
        load: From seed, size and folder of what is kept to a case.
    """

    group: str
    load: Callable[[int, Size, Path], Case]


def default_cache() -> Path:
    """``CHAFFINCH_CACHE``, else ``~/.cache``, and there ``chaffinch-benchmarks``."""
    return Path(os.environ.get("CHAFFINCH_CACHE", Path.home() / ".cache")) / "chaffinch-benchmarks"


def load_set(name: str, seed: int, size: Size = STANDARD, cache: Path | None = None) -> Case:
    """Draw a set.

    Args:
        name: One of `SETS`.
        seed: Redraws samples and noise.
        size: How many samples.
        cache: Folder of what is kept, None for `default_cache`.
    """
    return SETS[name].load(seed, size, default_cache() if cache is None else cache)


def _injected(name: str, noise: str) -> Callable[[int, Size, Path], Case]:
    def load(seed: int, size: Size, cache: Path) -> Case:
        samples, codes = base.draw(name, size.injected + size.clean, seed)
        return _make(name, noise, samples, codes, size.clean, seed, cache)

    return load


def _small(name: str) -> Callable[[int, Size, Path], Case]:
    def load(seed: int, size: Size, cache: Path) -> Case:
        samples, codes = base.draw(name, SMALL_ROWS + size.clean, seed, SMALL_CLASSES)
        return _make(name, "uniform-10", samples, codes, size.clean, seed, cache)

    return load


def _make(
    name: str,
    noise: str,
    samples: Any,
    right: NDArray[np.int64],
    num_clean: int,
    seed: int,
    cache: Path,
) -> Case:
    """The last ``num_clean`` samples stay clean; the others get the noise."""
    kind = base.BASES[name]
    inputs, embeddings = kind.encode(samples)
    count = len(right) - num_clean
    noisy = RECIPES[noise].apply(right[:count], seed)
    p, p_clean = predict_folds(inputs[:count], noisy.codes, inputs[count:], kind.model, cache)
    both = (None, None) if embeddings is None else (embeddings[:count], embeddings[count:])
    return Case(
        codes=noisy.codes,
        errors=noisy.errors,
        right=right[:count],
        probabilities=p,
        embeddings=both[0],
        clean=Clean(right[count:], p_clean, both[1]),
        samples=samples[:count],
        sources=noisy.sources,
    )


def _all() -> dict[str, Set]:
    sets = {name: Set("human", load) for name, load in human.LOADERS.items()}
    for name, kind in base.BASES.items():
        for noise, recipe in RECIPES.items():
            if kind.classes >= recipe.least_classes:
                sets[f"{name}/{noise}"] = Set(recipe.group, _injected(name, noise))
    return sets | {f"small/{name}": Set("small", _small(name)) for name in ("letter", "covertype")}


SETS = _all()
"""All sets by name."""
