"""``chaffinch apply``: the repaired data."""

from pathlib import Path
from typing import Annotated, Any

import typer

from chaffinch.cli.command import OUT
from chaffinch.cli.say import say, say_whether_known
from chaffinch.core.place import check_paths, check_run


def apply(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    out: Annotated[
        Path, typer.Option(*OUT, help="Where the repaired data go, in the same format.")
    ],
    plan: Annotated[
        Path | None, typer.Option(help="Plan (.json or .csv); by default that of the run.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Where the data are, if not where the run found them.")
    ] = None,
    links: Annotated[
        bool, typer.Option("--links", help="Link images instead of copying them.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what Chaffinch wrote.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    ledger: Annotated[str | None, typer.Option(help="Ledger to record it in, or none.")] = None,
) -> dict[str, Any]:
    """Write a repaired copy of the data of a run; the data themselves are left as they are."""
    check_run(run)
    check_paths(plan, data)
    from chaffinch.runs.run import Run

    opened = Run.open(run)
    say_whether_known(run, ledger, needed=True)
    chosen = opened.plan(plan)
    how: dict[str, Any] = {"links": links, "overwrite": overwrite, "seed": seed, "ledger": ledger}
    opened.apply(chosen, out, data=data, **how)
    say(f"{len(chosen.changing):,} samples changed; the repaired data are in {out}")
    return {"out": out, "changed": len(chosen.changing), "counts": chosen.counts}
