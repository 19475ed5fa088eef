"""Options as they are declared: types and defaults in the fields, words in the docstring."""

import inspect
import re
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

_ATTRIBUTE = re.compile(r"    (\w+): (.*)")


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        name: In Python.
        type: Its annotation, without constraints.
        default: What it is where nobody says.
        help: What it means, in a sentence or two.
    """

    name: str
    type: Any
    default: Any
    help: str


def options_of(model: type[BaseModel]) -> dict[str, Option]:
    """The options that a model declares, by name and in its order.

    Raises:
        LookupError: The docstring has no line for one of them.
    """
    told = _attributes(inspect.getdoc(model) or "")
    return {
        name: Option(name, field.annotation, field.default, told[name])
        for name, field in model.model_fields.items()
    }


def _attributes(text: str) -> dict[str, str]:
    """The words of the section ``Attributes`` by name."""
    found: dict[str, str] = {}
    name = ""
    for line in text.partition("Attributes:\n")[2].splitlines():
        begun = _ATTRIBUTE.fullmatch(line)
        if begun:
            name, found[begun[1]] = begun[1], begun[2]
        elif name and line.strip():
            found[name] += " " + line.strip()
    return found
