"""Keeping a run in a folder: one piece of work, whole or not at all, whoever does it."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from chaffinch import report
from chaffinch.core.dataset import Dataset
from chaffinch.pipeline.album import album
from chaffinch.pipeline.outcome import Result, known, write_result
from chaffinch.pipeline.recording import check_ledger, ledger_of
from chaffinch.pipeline.resume import Plan, claim, finished, full_disk, nothing_left, publish
from chaffinch.pipeline.work import STATE
from chaffinch.store.album import write_album
from chaffinch.store.lock import alone
from chaffinch.store.mark import need_local
from chaffinch.store.run import EVIDENCE, Exhibit, RunFolder

Job = Callable[[Path], tuple[Result, Sequence[Exhibit]]]
"""Does the work in an unfinished folder, where its evidence stays."""


@dataclass(frozen=True)
class Place:
    """Where a run is to be kept.

    Attributes:
        out: The folder.
        overwrite: Whether an earlier run there may be replaced.
        ledger: See `chaffinch.pipeline.ledger.ledger_for`.
    """

    out: Path
    overwrite: bool = False
    ledger: str | None = None


def keep(place: Place, plan: Plan, data: Dataset, location: str, job: Job) -> Result:
    """Do the work, or find it done, and keep it.

    Args:
        place: Where.
        plan: What tells this work from other work.
        data: All samples, for the ledger.
        location: Where they lie; "" for data in memory.
        job: Does the work.

    Raises:
        InputError: Any reason of the job, or a place that cannot be written to.
        RunError: The place holds other work, or another process is at it.
    """
    need_local(place.out)
    with alone(place.out):
        if not place.overwrite and finished(place.out, plan):
            _write_down(place, data, location)  # in case the scan was interrupted just before this
            return known(place.out)
        check_ledger(place)
        partial = claim(place.out, plan, place.overwrite)
        with full_disk(partial), nothing_left(partial):
            result, exhibits = job(partial)
            write_result(result, exhibits, partial)
            write_album(partial, album(data, result.findings))
            report.write(RunFolder(partial), final=place.out)
            for states in (partial / STATE, *list((partial / EVIDENCE).rglob(STATE))):
                shutil.rmtree(states, ignore_errors=True)
            publish(partial, place.out)
        _write_down(place, data, location)
        return replace(result, evidence=None, records=None)  # they lie in the run


def _write_down(place: Place, data: Dataset, location: str) -> None:
    """Record a finished run; nothing is recorded twice."""
    from chaffinch.pipeline.ledger import record_run  # SQLAlchemy only where there is a ledger

    ledger = ledger_of(place)
    if ledger is not None:
        record_run(place.out, data, ledger, location or None)
