"""Numbers, labels and dates as people read them."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chaffinch.core.plain_text import clean as clean
from chaffinch.store.run import TaskRecord

MISSING = "\N{EN DASH}"

# Not from the locale: the same run must give the same page everywhere.
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def clip(text: str, length: int) -> str:
    """At most ``length`` characters, with an ellipsis where something was cut."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def is_missing(value: object) -> bool:
    """Whether the value stands for nothing (None, NaN, NA)."""
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def count(number: float) -> str:
    """A whole number with thousands separators."""
    return f"{number:,.0f}"


def about(number: float) -> str:
    """An expected number, no more exact than it can be known: ``about 120``."""
    if number < 0.5:
        return "fewer than one"
    return f"about {number:,.0f}"


def percent(share: float | None) -> str:
    """A share in 0..1 as a percentage; small shares never read as none, nor large as all."""
    if share is None or is_missing(share):
        return MISSING
    if 0 < share < 0.001:
        return "<0.1%"
    if 0.999 < share < 1:
        return ">99.9%"
    return f"{share:.1%}"


def share(value: float | None) -> str:
    """A share in 0..1 as a whole percentage."""
    return MISSING if value is None or is_missing(value) else f"{value:.0%}"


def tick_percent(share: float) -> str:
    """A round share as a percentage: ``5%``, ``2.5%``."""
    return f"{100 * share:g}%"


def score(value: float | None, digits: int = 3) -> str:
    """A number in 0..1 with a fixed number of digits, so that columns line up."""
    return MISSING if value is None or is_missing(value) else f"{value:.{digits}f}"


def rate(value: float | None) -> str:
    """A q-value: three digits, but never rounded down to zero."""
    if value is not None and not is_missing(value) and 0 < value < 0.001:
        return "<0.001"
    return score(value)


def cell(value: object) -> str:
    """One value of a table row."""
    if is_missing(value):
        return MISSING
    if isinstance(value, float):
        return f"{value:.5g}"
    return clean(value)


def duration(seconds: float) -> str:
    """A time span: ``0.42 s``, ``12.3 s``, ``4 min 05 s``, ``2 h 07 min``."""
    if seconds < 60:
        return f"{seconds:.3g} s" if seconds < 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def moment(stamp: str) -> str:
    """An ISO 8601 time as ``3 May 2025, 12:30 UTC``; anything else as it came."""
    try:
        when = datetime.fromisoformat(stamp)
    except ValueError:
        return clean(stamp)
    when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year}, {when:%H:%M} UTC"


class Naming:
    """Turns labels of any type into the class names of the run record.

    Args:
        classes: The class names, in the order of the flow matrix.
        task: What is said of labels that are no classes.
    """

    def __init__(self, classes: Sequence[str], task: TaskRecord | None = None) -> None:
        self.classes, self.task = list(classes), task
        self._codes = {name: code for code, name in enumerate(self.classes)}

    @property
    def labelled(self) -> bool:
        """Whether there are labels to speak of; prompts with responses are all of one class."""
        return self.task is not None or len(self.classes) > 1

    @property
    def noun(self) -> str:
        """What a label is called."""
        return "label" if self.task is None else clean(self.task.noun)

    def __call__(self, value: Any) -> str | None:
        """The class name of a label; None where it is missing."""
        if is_missing(value):
            return None
        if self.task is not None and isinstance(value, float):
            return f"{value:.6g}"
        text = str(value)
        # A column of integers or booleans becomes floats as soon as one value is missing.
        if text not in self._codes and isinstance(value, float) and value.is_integer():
            for name in (str(int(value)), str(bool(value))):
                if name in self._codes:
                    return name
        return text

    def encode(self, labels: "pd.Series[Any]") -> NDArray[np.int64]:
        """(N,) the class code of every label, -1 where it is missing.

        Labels that the record does not know are added to the classes.
        """
        positions, values = pd.factorize(labels.astype(object), use_na_sentinel=True)
        codes = [self._code(self(value)) for value in values]
        return np.asarray([*codes, -1], dtype=np.int64)[positions]

    def _code(self, name: str | None) -> int:
        if name is None:
            return -1
        if name not in self._codes:
            self._codes[name] = len(self.classes)
            self.classes.append(name)
        return self._codes[name]
