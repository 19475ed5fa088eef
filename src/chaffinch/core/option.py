"""Options that are numbers or several values, checked in one place; seeds among them."""

import math
import operator
from typing import Any

import numpy as np

from chaffinch.core.errors import InputError

_LONGEST = 200


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


def listed(what: str, values: Any) -> list[Any]:
    """The values of an option that takes several.

    Args:
        what: They are, for the message.
        values: As they came.

    Raises:
        InputError: They cannot be iterated over.
    """
    try:
        return list(values)
    except Exception as error:  # objects of other libraries raise whatever they like
        raise InputError(what, _shown(values), "Pass a list") from error


def _shown(value: Any) -> str:
    try:
        return repr(value)[:_LONGEST]
    except Exception:  # as above
        return f"a {type(value).__name__}"
