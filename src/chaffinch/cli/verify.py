"""``chaffinch verify``: does the plan help?"""

from pathlib import Path
from typing import Annotated, Any

import typer

from chaffinch.cli.command import Failed
from chaffinch.cli.say import say, say_whether_known
from chaffinch.core.place import check_paths, check_run


def verify(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    plan: Annotated[
        Path | None, typer.Option(help="Plan (.json or .csv); by default that of the run.")
    ] = None,
    data: Annotated[
        str | None, typer.Option(help="Where the data are, if not where the run found them.")
    ] = None,
    validation: Annotated[
        str | None, typer.Option(help="Clean data of the same kind; by default those of the run.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Maximum number of paired trainings.", min=2)] = 5,
    group: Annotated[
        str | None, typer.Option(help="Column of the held-out data to break accuracies down by.")
    ] = None,
    no_ablation: Annotated[
        bool, typer.Option("--no-ablation", help="Do not try the parts of the plan one by one.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, ...")] = "auto",
    ledger: Annotated[str | None, typer.Option(help="Ledger to record it in, or none.")] = None,
) -> Any:
    """Train on the data with the plan and without, and say whether it helps; status 1 if not."""
    check_run(run)
    check_paths(plan, data, validation)
    from chaffinch.pipeline.repairing import REDUCED, REPAIR
    from chaffinch.pipeline.verification.page import PAGE, headline, sentence
    from chaffinch.runs.run import Run

    opened = Run.open(run)
    say_whether_known(run, ledger, needed=True)
    outcome = opened.verify(
        plan,
        validation,
        data=data,
        seeds=seeds,
        group=group,
        ablate=not no_ablation,
        device=device,
        ledger=ledger,
    )
    say(headline(outcome))
    say(sentence(outcome))
    if outcome.withheld:
        say(f"The plan without it is in {run / (REPAIR if plan is None else REDUCED)}")
    say(f"All figures are in {run / PAGE}")
    return outcome.to_dict() if outcome.passes else Failed(outcome.to_dict())
