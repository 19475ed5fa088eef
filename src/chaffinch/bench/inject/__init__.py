"""Glitches of known kind, place and number, to inject into clean data.

>>> labels, errors = uniform_flips(["a", "b"] * 10, rate=0.1, seed=0)
>>> int(errors.sum())
2
"""

from collections.abc import Iterable
from typing import Any

from chaffinch.bench.inject.cluster import far_cluster, near_cluster
from chaffinch.bench.inject.corruption import CORRUPTIONS, Corruption
from chaffinch.bench.inject.duplicate import near_duplicates
from chaffinch.bench.inject.flip import (
    class_dependent_flips,
    flips_by_matrix,
    mislabel,
    pair_flips,
    uniform_flips,
)
from chaffinch.bench.inject.glitch import GLITCHES
from chaffinch.bench.inject.glitched import CLEAN, KINDS, Glitched, untouched
from chaffinch.bench.inject.image import (
    blur,
    brightness,
    contrast,
    gaussian_noise,
    jpeg,
    occlusion,
    stripes,
)
from chaffinch.bench.inject.mixture import even_mixture, mixture
from chaffinch.bench.inject.sample import Samples
from chaffinch.bench.inject.table import missing_as_zero, scale, scramble, swap, typo
from chaffinch.bench.inject.text import (
    boilerplate,
    shuffled_words,
    truncated,
    typos,
    wrong_encoding,
)

__all__ = [
    "CLEAN",
    "CORRUPTIONS",
    "GLITCHES",
    "KINDS",
    "Corruption",
    "Glitched",
    "apply",
    "blur",
    "boilerplate",
    "brightness",
    "class_dependent_flips",
    "contrast",
    "even_mixture",
    "far_cluster",
    "flips_by_matrix",
    "gaussian_noise",
    "jpeg",
    "mislabel",
    "missing_as_zero",
    "mixture",
    "near_cluster",
    "near_duplicates",
    "occlusion",
    "pair_flips",
    "scale",
    "scramble",
    "shuffled_words",
    "stripes",
    "swap",
    "truncated",
    "typo",
    "typos",
    "uniform_flips",
    "untouched",
    "wrong_encoding",
]


def apply(
    name: str, samples: Samples, labels: Iterable[Any], rate: float, seed: int, **options: Any
) -> Glitched:
    """Inject a glitch by name.

    Args:
        name: One of `GLITCHES`, ``mixture`` (then ``parts`` names the glitches that share the
            rate), or ``none``.
        samples: N samples: uint8 images (N, H, W[, C]), an array (N, I), a DataFrame or texts.
        labels: (N,) labels of any type.
        rate: Share of the samples that get it, in 0..1.
        seed: Decides all that is random.
        options: Keyword arguments of the glitch, such as ``severity`` or ``foreign``.

    Raises:
        InputError: An unknown name, or whatever the glitch raises.
    """
    if name == "none":
        return untouched(samples, labels)
    if name == "mixture":
        return even_mixture(samples, labels, rate, seed, **options)
    return GLITCHES[name](samples, labels, rate, seed, **options)
