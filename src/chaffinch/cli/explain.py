"""The command ``explain``: why samples of a run were judged as they were."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from chaffinch.cli.say import console
from chaffinch.core.explanation import Explanation
from chaffinch.core.place import check_run

_SLATE, _RUST = "#6f8aa3", "#c8643a"
_MOST_NEIGHBOURS = 10


def explain(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    samples: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SAMPLE]...", help="Ids, rows (from 0) or files; the five worst by default."
        ),
    ] = None,
) -> Any:
    """Say why samples of a run were judged as they were."""
    check_run(run)
    from chaffinch.runs.run import Run

    found = Run.open(run).explain(samples or None)
    shell = console()
    if not found:
        shell.print("Nothing is flagged in this run; name samples to explain.")
    for one in found if samples else found[:5]:
        shell.print(shown(one))
    if not samples and len(found) > 5:
        shell.print(Text(_flat(f"{len(found) - 5} more explanations are in {run.as_posix()}.")))
    return found


def shown(one: Explanation) -> Group:
    """One explanation for the terminal; no text of the data is read as markup."""
    head = Text.assemble(
        (_flat(one.id), "bold"),
        ("" if one.row is None else "  row ", _SLATE),
        "" if one.row is None else str(one.row),
        f"  {_flat(one.source)}" if one.source else "",
        ("  given ", _SLATE),
        (_flat(one.given_label), "bold"),
        ("  kind ", _SLATE),
        (_flat(one.kind), _RUST),
        ("  suspicion ", _SLATE),
        f"{one.suspicion:.3f}",
    )
    if one.stability is not None:
        head.append("  stability ", _SLATE).append(f"{one.stability:.0%}")
    rows = Table.grid(padding=(0, 2, 0, 0))
    rows.add_column(style=_SLATE, no_wrap=True)
    rows.add_column(overflow="fold")
    for name, text in _lines(one):
        rows.add_row(name, Text(_flat(text)))
    return Group(head, Padding(Group(Text(_flat(one.why)), rows), (0, 0, 1, 2)))


def _lines(one: Explanation) -> list[tuple[str, str]]:
    lines = []
    if one.firing:
        told = (f"{firing.scorer} (above {firing.above:.1%})" for firing in one.firing)
        lines.append(("stands out by", ", ".join(told)))
    if one.counterfactual_label is not None and one.counterfactual_probability is not None:
        by = "held-out models" if one.predicted_by == "held_out" else "the model in training"
        text = f"{one.counterfactual_label} with {one.counterfactual_probability:.1%} by {by}"
        lines.append(("otherwise", text))
    if one.neighbours:
        near = one.neighbours[:_MOST_NEIGHBOURS]
        lines.append(("neighbours", ", ".join(other.label for other in near)))
    for name, others in (("helpers", one.helpers), ("opponents", one.opponents)):
        if others:
            told = (f"{other.id} ({other.label}, {other.similarity:+.2f})" for other in others)
            lines.append((name, ", ".join(told)))
    if one.loss:
        step = max(1, len(one.loss) // 8)
        for name, values in (("loss", one.loss), ("its class", one.class_loss)):
            lines.append((name, " ".join(f"{value:.2g}" for value in values[::step])))
    return lines


def _flat(text: str) -> str:
    from chaffinch.core.plain_text import clean

    return " ".join(clean(text).split())
