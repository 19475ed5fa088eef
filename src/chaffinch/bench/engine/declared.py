"""Settings of cells, as declared in a suite, checked against what an experiment knows."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from chaffinch.core.errors import InputError

Known = TypeVar("Known", bound=BaseModel)


def read_settings(kind: type[Known], given: Mapping[str, Any]) -> Known:
    """The settings of a cell.

    Args:
        kind: What the experiment knows; it forbids anything else.
        given: What the suite declares.

    Raises:
        InputError: An unknown setting, or one out of range.
    """
    try:
        return kind(**given)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"settings among {', '.join(kind.model_fields)}",
            f"{'.'.join(map(str, first['loc']))}: {first['msg']}",
            "Correct the settings of the suite",
        ) from error
