"""The signature of a function whose options are declared in one place."""

import inspect
from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel

from chaffinch.pipeline.declared import options_of

_F = TypeVar("_F", bound=Callable[..., object])


def shown_as(model: type[BaseModel]) -> Callable[[_F], _F]:
    """Show ``**options`` as the keyword arguments that they are, with their defaults.

    Args:
        model: Declares them.
    """

    def decorated(function: _F) -> _F:
        signature = inspect.signature(function)
        known = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
        more = [
            inspect.Parameter(
                one.name, inspect.Parameter.KEYWORD_ONLY, default=one.default, annotation=one.type
            )
            for one in options_of(model).values()
        ]
        shown = signature.replace(parameters=[*known, *more])
        function.__signature__ = shown  # type: ignore[attr-defined]
        return function

    return decorated
