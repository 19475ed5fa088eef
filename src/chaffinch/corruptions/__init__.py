"""Errors of known kind, place and number, put into clean data.

>>> labels, errors = uniform_flips(["a", "b"] * 10, rate=0.1, seed=0)
>>> int(errors.sum())
2
"""

from collections.abc import Iterable
from typing import Any

from chaffinch.corruptions.cluster import far_cluster, near_cluster
from chaffinch.corruptions.corrupted import CLEAN, KINDS, Corrupted, untouched
from chaffinch.corruptions.corruption import CORRUPTIONS
from chaffinch.corruptions.duplicate import near_duplicates
from chaffinch.corruptions.flip import (
    class_dependent_flips,
    flips_by_matrix,
    mislabel,
    pair_flips,
    uniform_flips,
)
from chaffinch.corruptions.image import (
    blur,
    brightness,
    contrast,
    gaussian_noise,
    jpeg,
    occlusion,
    stripes,
)
from chaffinch.corruptions.mixture import even_mixture, mixture
from chaffinch.corruptions.sample import Samples
from chaffinch.corruptions.sample_corruption import SAMPLE_CORRUPTIONS, SampleCorruption
from chaffinch.corruptions.table import missing_as_zero, scale, scramble, swap, typo
from chaffinch.corruptions.text import (
    boilerplate,
    shuffled_words,
    truncated,
    typos,
    wrong_encoding,
)

__all__ = [
    "CLEAN",
    "CORRUPTIONS",
    "KINDS",
    "SAMPLE_CORRUPTIONS",
    "Corrupted",
    "SampleCorruption",
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
) -> Corrupted:
    """Corrupt a share of the samples.

    Args:
        name: One of `CORRUPTIONS`, ``mixture`` (then ``parts`` names the corruptions that share
            the rate), or ``none``.
        samples: N samples: uint8 images (N, H, W[, C]), an array (N, I), a DataFrame or texts.
        labels: (N,) labels of any type.
        rate: Share of the samples to corrupt, in 0..1; rounded to a whole number of samples.
        seed: Decides every random choice.
        options: Keyword arguments of the corruption, such as ``severity`` or ``foreign``.

    Raises:
        InputError: An unknown name, or whatever the corruption raises.
    """
    if name == "none":
        return untouched(samples, labels)
    if name == "mixture":
        return even_mixture(samples, labels, rate, seed, **options)
    return CORRUPTIONS[name](samples, labels, rate, seed, **options)
