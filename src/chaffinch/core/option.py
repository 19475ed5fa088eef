"""Options that are numbers, checked in one place; seeds among them."""

import math
import operator
from typing import Any

import numpy as np

from chaffinch.core.errors import InputError


def whole(name: str, value: Any, least: int = 0) -> int:
    """A whole number that is not too small, of Python or of any other library.

    Args:
        name: Of the option, for the message.
        value: As it came.
        least: The smallest one.

    Raises:
        InputError: It is no whole number, or a smaller one.
    """
    try:
        number = None if isinstance(value, bool | np.bool_) else operator.index(value)
    except (TypeError, ValueError, RuntimeError):  # the last of a tensor of several
        number = None
    if number is None or number < least:
        raise InputError(f"{name} as an integer >= {least}", repr(value), "Give a whole number")
    return number


def real(name: str, value: Any, least: float = -math.inf, most: float = math.inf) -> float:
    """A finite number within bounds.

    Args:
        name: Of the option, for the message.
        value: As it came.
        least: The smallest one.
        most: The largest one.

    Raises:
        InputError: It is no number, NaN or infinite, or out of its bounds.
    """
    number = math.nan
    if not isinstance(value, bool | np.bool_ | str | bytes) and value is not np.ma.masked:
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError, RuntimeError):
            number = math.nan
    if not (least <= number <= most and math.isfinite(number)):
        bound = f"in {least}..{most}" if most < math.inf else f">= {least}"
        raise InputError(f"{name} {bound}", repr(value), "Choose a value within the bounds")
    return number
