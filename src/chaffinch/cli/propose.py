"""``chaffinch propose``: a plan of repair for a run."""

from pathlib import Path
from typing import Annotated, Any

import typer

from chaffinch.cli.command import OUT
from chaffinch.cli.say import say, say_whether_known
from chaffinch.core.place import check_path, check_run


def propose(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    policy: Annotated[
        str, typer.Option(help="gentle, balanced, strict, or a TOML file.")
    ] = "balanced",
    by: Annotated[
        str | None,
        typer.Option(help="Leave out the most suspicious by this scorer, in place of a policy."),
    ] = None,
    budget: Annotated[float, typer.Option(help="With --by: share that is left out.")] = 0.05,
    out: Annotated[
        Path | None, typer.Option(*OUT, help="Further copy of the plan, .json or .csv.")
    ] = None,
    ledger: Annotated[str | None, typer.Option(help="Ledger to record it in, or none.")] = None,
) -> dict[str, Any]:
    """Propose what to do about the findings; nothing is changed."""
    check_run(run)
    check_path(policy if policy.endswith(".toml") else None)
    from chaffinch.pipeline.repairing import REPAIR
    from chaffinch.runs.run import Run

    opened = Run.open(run)
    say_whether_known(run, ledger, needed=True)
    plan = opened.propose(policy, by=by, budget=budget, out=out, ledger=ledger)
    if not plan.edits:
        say("Nothing to repair: the plan is empty.")
    for action, count in plan.counts.items():
        say(f"{count:>8,}  {action}")
    for place in plan.collection[:5]:
        example = f", such as {place['examples'][0]}" if place["examples"] else ""
        say(f"More data wanted: {place['where']} ({place['reason']}{example})")
    for note in plan.notes:
        say(note)
    say(f"The plan is in {run / REPAIR}" + (f" and in {out}" if out else ""))
    return {
        "plan": run / REPAIR,
        "copy": out,
        "counts": plan.counts,
        "collection": plan.collection,
        "notes": plan.notes,
    }
