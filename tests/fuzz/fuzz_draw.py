"""Seeded choices that are noted down, so that a failing call says what it was made of."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np


class Draw:
    """Random choices of one call; ``told`` lists them by name.

    Args:
        target: What is called, so that the same seed makes different calls of each.
        seed: Decides every choice.
    """

    def __init__(self, target: str, seed: int) -> None:
        self.random = np.random.default_rng([*target.encode(), seed])
        self.told: list[str] = []

    def chance(self, share: float) -> bool:
        return bool(self.random.random() < share)

    def number(self, low: int, high: int) -> int:
        return int(self.random.integers(low, high))

    def one(self, values: Any) -> Any:
        """One of some values, which is not noted."""
        listed = list(values)
        return listed[self.number(0, len(listed))]

    def made(self, what: str, makers: Mapping[str, Callable[[], Any]]) -> Any:
        """What one of some makers makes; its name is noted."""
        name = self.one(makers)
        self.told.append(f"{what}={name}")
        return makers[name]()

    def options(self, values: Mapping[str, tuple[Any, ...]], most: int = 2) -> dict[str, Any]:
        """Up to ``most`` options, each one of its values or of `JUNK`."""
        names = self.random.permutation(list(values))[: self.number(0, most + 1)].tolist()
        chosen = {}
        for name in names:
            chosen[name] = self.one(values[name] if self.chance(0.5) else JUNK)
            self.told.append(f"{name}={chosen[name]!r}")
        return chosen


JUNK: tuple[Any, ...] = (
    None,
    True,
    False,
    -1,
    0,
    1.5,
    float("nan"),
    float("inf"),
    "",
    "x",
    "\x00",
    "caf\xe9 \ud83d",
    "2",
    b"bytes",
    (),
    [],
    [None],
    {},
    {"a": 1},
    object(),
    int,
    len,
    1j,
    np.int64(2),
    np.float32(0.5),
    np.zeros(2),
    np.ma.masked,
)
"""Values of options that hardly any option takes. None is long to work off where one takes it."""
