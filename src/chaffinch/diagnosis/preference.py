"""Preference pairs: identical, empty, the other way round elsewhere, and a bias for length."""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.diagnosis.prompt_pairs import Distinct

REVERSED = 0.5
"""Of two pairs that say the opposite of each other one is wrong."""

_LEAST_PAIRS = 20
_BIASED, _CHANCE = 0.65, 0.001


@dataclass(frozen=True, eq=False)
class Preferences:
    """What N preference pairs show.

    Attributes:
        identical: (N,) 1 where both responses are the same after normalisation, else 0.
        lacking: (N,) whether the response that was liked less is empty.
        reversed_in: (N,) row of a pair with the same prompt and the same two responses the other
            way round; -1 for none.
        notes: A sentence on length, where it goes with preference.
    """

    identical: Floats
    lacking: Mask
    reversed_in: Codes
    notes: tuple[str, ...]


def check_preferences(
    prompts: Codes, chosen: tuple[str, ...], rejected: tuple[str, ...]
) -> Preferences:
    """Look at preference pairs.

    Args:
        prompts: (N,) numbers that are equal for equal prompts.
        chosen: N responses that were preferred.
        rejected: N responses that were liked less.
    """
    both = Distinct(chosen, rejected)
    good, bad = both.codes, both.others
    by_pair: dict[tuple[int, int, int], list[int]] = defaultdict(list)
    keys = list(zip(prompts.tolist(), good.tolist(), bad.tolist(), strict=True))
    for row, key in enumerate(keys):
        by_pair[key].append(row)
    turned = [
        by_pair[prompt, second, first][0]
        if first != second and (prompt, second, first) in by_pair
        else -1
        for prompt, first, second in keys
    ]
    return Preferences(
        (good == bad).astype(np.float64),
        np.asarray([not one.strip() for one in rejected], dtype=np.bool_),
        np.asarray(turned, dtype=np.int64),
        _length_bias(chosen, rejected),
    )


def _length_bias(chosen: tuple[str, ...], rejected: tuple[str, ...]) -> tuple[str, ...]:
    """Whether the longer response is preferred more often than chance and content explain."""
    sizes = [(len(a.split()), len(b.split())) for a, b in zip(chosen, rejected, strict=True)]
    unequal = [a > b for a, b in sizes if a != b]
    if len(unequal) < _LEAST_PAIRS:
        return ()
    longer = sum(unequal)
    share = max(longer, len(unequal) - longer) / len(unequal)
    if share < _BIASED or binomtest(longer, len(unequal)).pvalue > _CHANCE:
        return ()
    which = "longer" if 2 * longer > len(unequal) else "shorter"
    return (
        f"The {which} response is the preferred one in {share:.0%} of {len(unequal):,} pairs of "
        "unequal length: a model may learn length in place of quality.",
    )
