"""The command `import`: reviewers' decisions into the ledger."""

from pathlib import Path
from typing import Annotated, Any

import typer

from chaffinch.cli.history import LEDGER
from chaffinch.cli.say import say
from chaffinch.core.errors import InputError
from chaffinch.core.parsing import parse_json
from chaffinch.core.place import check_paths, check_run


def import_(
    run: Annotated[Path, typer.Argument(help="The run from which the tasks came.")],
    file: Annotated[Path, typer.Argument(help="What the tool exported.")],
    source: Annotated[str, typer.Option("--from", help="label-studio, argilla or csv.")],
    reviewer: Annotated[str, typer.Option(help="Who decided, where the file does not say.")] = "",
    names: Annotated[
        Path | None, typer.Option(help="JSON file that maps the tool's reviewer ids to names.")
    ] = None,
    ledger: LEDGER = None,
) -> dict[str, Any]:
    """Record what reviewers decided in another tool, and show where they disagree."""
    check_run(run)
    check_paths(file, names)
    from chaffinch.cli.history import show
    from chaffinch.pipeline.exchange import import_decisions
    from chaffinch.pipeline.ledger import ledger_for, run_id
    from chaffinch.store.decision import disagreements

    book = ledger_for(run, ledger)
    if book is None:
        raise InputError("a ledger for the decisions", "'none'", "Name one with --ledger")
    read, new = import_decisions(run, file, source, book, reviewer=reviewer, names=_names(names))
    say(f"{read:,} decisions read, {new:,} of them new")
    open_questions = disagreements(book.decisions(run_id(run)))
    if len(open_questions):
        say(f"reviewers disagree on {len(open_questions):,} samples:")
        show(open_questions[["sample", "votes"]])
    return {"read": read, "new": new, "disagreements": open_questions}


def _names(file: Path | None) -> dict[str, str]:
    if file is None:
        return {}
    try:
        content = parse_json(file.read_text("utf-8"))
        return {str(key): str(value) for key, value in dict(content).items()}
    except (OSError, ValueError, TypeError) as error:
        raise InputError(
            f'a JSON file such as {{"user 3": "Ann"}} at {file}', str(error), "Correct it"
        ) from error
