"""Options of the command line that are declared elsewhere, or shared by commands."""

import inspect
import types
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic import BaseModel

from chaffinch.pipeline.declared import Option, options_of

_SHORT = {
    "id_column": "--id",
    "text_column": "--text",
    "learning_rate": "--lr",
    "out": "-o",
}
"""Further names of options in the shell."""

_SWITCHES = ("overwrite", "strict", "keep_checkpoints")
"""Options that can only be turned on."""


def options_in_shell(model: type[BaseModel], *left_out: str) -> list[inspect.Parameter]:
    """The options that a model declares, as parameters of a command.

    Args:
        model: Declares them.
        left_out: Names of options that the command has itself.
    """
    return [_parameter(one) for name, one in options_of(model).items() if name not in left_out]


def _parameter(option: Option) -> inspect.Parameter:
    flag = "--" + option.name.replace("_", "-")
    kind = _kind(option.type)
    names = [_SHORT[option.name]] if option.name in _SHORT else []
    if kind is bool and option.name not in _SWITCHES:
        flag += f"/--no-{flag[2:]}"
    default = option.default
    if default is not None and kind is str:
        default = str(default)
    told = typer.Option(*dict.fromkeys([flag, *names]), help=option.help.replace("``", ""))
    shown = kind if default is not None else kind | None
    keyword = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(
        option.name, keyword, default=default, annotation=Annotated[shown, told]
    )


def _kind(annotation: Any) -> Any:
    """The type of what is typed: text for all that has several forms, which the model checks."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _kind(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        kinds = {_kind(one) for one in get_args(annotation) if one is not type(None)}
        return kinds.pop() if len(kinds) == 1 else str
    if origin is Literal or annotation not in (bool, int, float, Path):
        return str
    return annotation
