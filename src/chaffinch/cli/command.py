"""What every command has: ``--quiet``, ``--json``, and one way to answer."""

import dataclasses
import functools
import inspect
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from chaffinch.cli.say import hushed

Command = Callable[..., Any]

OUT = ("--out", "-o")
"""The names of the option that says where to write."""

_QUIET = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print errors and warnings only, and no progress.")
]
_JSON = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON, and no progress.")]


@dataclass(frozen=True)
class Failed:
    """The outcome of a command whose check says no: status 1."""

    outcome: Any


def register(
    app: typer.Typer, name: str, function: Command, options: Sequence[inspect.Parameter] = ()
) -> None:
    """Make a function a command.

    Args:
        app: The program.
        name: Of the command.
        function: Its parameters are the arguments and options. It prints by `say`, and what it
            returns is printed with ``--json``.
        options: What its ``**options`` are.
    """
    app.command(name)(_answering(function, options))


def _answering(function: Command, options: Sequence[inspect.Parameter]) -> Command:
    signature = inspect.signature(function)
    own_json = "as_json" in signature.parameters

    @functools.wraps(function)
    def run(*, quiet: bool, **given: Any) -> None:
        as_json = given["as_json"] if own_json else given.pop("as_json")
        with hushed(quiet or (as_json and not own_json)):
            made = function(**given)
        outcome = made.outcome if isinstance(made, Failed) else made
        if as_json and not own_json:
            typer.echo(json.dumps(_plain(outcome), indent=1, ensure_ascii=False, allow_nan=False))
        if isinstance(made, Failed):
            raise typer.Exit(1)

    keyword = inspect.Parameter.KEYWORD_ONLY
    more = [inspect.Parameter("quiet", keyword, default=False, annotation=_QUIET)]
    if not own_json:
        more.append(inspect.Parameter("as_json", keyword, default=False, annotation=_JSON))
    known = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
    shown = signature.replace(parameters=[*known, *options, *more], return_annotation=None)
    run.__signature__ = shown  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in shown.parameters.values()}
    return run


def _plain(value: Any) -> Any:
    """A value as JSON knows it; what is missing or no number becomes null."""
    if hasattr(value, "to_dict") and hasattr(value, "columns"):  # a DataFrame
        return [_plain(row) for row in value.to_dict("records")]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _plain(dataclasses.asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, os.PathLike):
        return Path(value).as_posix()
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | None) else str(value)
