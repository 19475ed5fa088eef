"""Settings of a cell as a suite declares them."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from chaffinch.core.errors import InputError


class Declared(BaseModel):
    """What a cell of an experiment may decide beside its axes; anything else is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Check the settings of a cell.

        Raises:
            InputError: An unknown setting, or one out of range.
        """
        try:
            return cls(**given)
        except ValidationError as error:
            first = error.errors()[0]
            raise InputError(
                f"settings among {', '.join(cls.model_fields)}",
                f"{'.'.join(map(str, first['loc']))}: {first['msg']}",
                "Correct the settings of the suite",
            ) from error
