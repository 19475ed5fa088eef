"""The command ``explain``: why samples of a run were judged as they were."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from chaffinch.core.explanation import Explanation
from chaffinch.core.place import check_run

_SLATE, _RUST = "#6f8aa3", "#c8643a"
_MOST_NEIGHBOURS = 10


def explain(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ID]...", help="Ids of samples; the five worst by default."),
    ] = None,
) -> None:
    """Say why samples of a run were judged as they were."""
    check_run(run)
    from chaffinch.pipeline.explain import explain as explain_run

    found = explain_run(run, ids or None)
    console = Console()
    if not found:
        console.print("Nothing is flagged in this run; name the ids of samples to explain.")
    for one in found if ids else found[:5]:
        console.print(shown(one))
    if not ids and len(found) > 5:
        console.print(Text(_flat(f"{len(found) - 5} more explanations are in {run.as_posix()}.")))


def shown(one: Explanation) -> Group:
    """One explanation for the terminal; no text of the data is read as markup."""
    head = Text.assemble(
        (_flat(one.id), "bold"),
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
