"""Options that are numbers or several values, checked in one place; seeds among them."""

import difflib
import functools
import inspect
import math
import operator
from collections.abc import Callable, Sequence
from types import NoneType, UnionType
from typing import Any, ParamSpec, TypeVar, Union, get_args, get_origin

import numpy as np

from chaffinch.core.errors import InputError

_P = ParamSpec("_P")
_R = TypeVar("_R")

_LONGEST = 200
_LARGEST = 2**63


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


def typed(name: str, kind: Any, value: Any) -> Any:
    """A value of the type that an option declares.

    Args:
        name: Of the option, for the message.
        kind: int, float, bool, a `Literal` of texts, or a sequence of floats; or None.
        value: As it came.

    Raises:
        InputError: It is of another type, or a number that is not finite.
    """
    kinds = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    if value is None and NoneType in kinds:
        return None
    if bool in kinds:
        if isinstance(value, bool | np.bool_):
            return bool(value)
        raise InputError(f"{name} as True or False", _shown(value), "Choose one")
    if float in kinds:
        return real(name, value)
    if int in kinds:
        return _fitting(name, whole(name, value))
    if any(get_origin(one) in (Sequence, list, tuple) for one in kinds):
        return [real(name, one) for one in listed(f"numbers as {name}", value)]
    if not isinstance(value, str):
        raise InputError(f"{name} as text", _shown(value), "Choose a name")
    return value


def _fitting(name: str, number: int) -> int:
    if number >= _LARGEST:
        raise InputError(f"{name} below 2^63", str(number), "Choose a smaller number")
    return number


def _shown(value: Any) -> str:
    try:
        return repr(value)[:_LONGEST]
    except Exception:  # as above
        return f"a {type(value).__name__}"


def options_checked(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Let a function refuse keyword arguments that it does not have, and name the likeliest.

    Raises:
        InputError: When the function is called with an unknown option.
    """
    known = list(inspect.signature(function).parameters)

    @functools.wraps(function)
    def checked(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        unknown = [name for name in kwargs if name not in known]
        if unknown:
            near = difflib.get_close_matches(unknown[0], known, 1)
            raise InputError(
                f"options of {function.__name__} ({', '.join(known)})",
                ", ".join(map(repr, unknown)),
                f"Did you mean {near[0]!r}?" if near else "Check the spelling",
            )
        return function(*args, **kwargs)

    return checked
