"""The signature of a function whose options are declared in one place."""

import inspect
from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel

_F = TypeVar("_F", bound=Callable[..., object])


def shown_as(options: type[BaseModel]) -> Callable[[_F], _F]:
    """Show ``**options`` as the keyword arguments that they are, with their defaults.

    Args:
        options: Declares them.
    """

    def decorated(function: _F) -> _F:
        signature = inspect.signature(function)
        known = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
        more = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=field.default,
                annotation=field.annotation,
            )
            for name, field in options.model_fields.items()
        ]
        function.__signature__ = signature.replace(parameters=[*known, *more])  # type: ignore[attr-defined]
        return function

    return decorated
