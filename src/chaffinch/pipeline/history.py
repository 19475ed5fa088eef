"""What happened to data or to a run, in the words of the ledger."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from chaffinch.pipeline.ledger import run_id
from chaffinch.pipeline.snapshot import files_of, location_of
from chaffinch.store.ledger import Ledger
from chaffinch.store.nearby import is_run
from chaffinch.store.run import RunFolder

_ID = 12

COLUMNS = ["seq", "at", "who", "what", "id", "detail"]


def history_of(ledger: Ledger, subject: str | Path | None = None) -> pd.DataFrame:
    """All that the ledger knows of data, of a run, or at all.

    Args:
        ledger: Where to look.
        subject: A run folder or data; None for everything. Data are followed through repairs, to
            what they were made of and to what was made of them.

    Returns:
        Columns ``seq``, ``at`` (UTC), ``who``, ``what`` (version, run, plan, verification,
        calibration, decisions), ``id`` (shortened) and ``detail``, in the order of events.
    """
    versions, runs = ledger.table("version"), ledger.table("run")
    if subject is None:
        wanted, chosen = set(versions["id"]), set(runs["id"])
    elif is_run(subject):
        _ = RunFolder(subject).findings  # a damaged run is an error, not an empty history
        chosen = {run_id(subject)}
        own = versions[versions["run"].isin(chosen)]
        wanted = set(own["id"]) | set(runs[runs["id"].isin(chosen)]["version"])
    else:
        wanted = _family(versions, subject)
        of_versions = set(versions[versions["id"].isin(wanted)]["run"].dropna())
        chosen = of_versions | set(runs[runs["version"].isin(wanted)]["id"])
    events = [
        *_versions(versions[versions["id"].isin(wanted)]),
        *_runs(runs[runs["id"].isin(chosen)]),
        *_others(ledger, chosen),
    ]
    return pd.DataFrame(events, columns=COLUMNS).sort_values("seq", ignore_index=True)


def _family(versions: pd.DataFrame, subject: str | Path) -> set[str]:
    """The versions at a place or with its files, their ancestors and their descendants."""
    location = location_of(subject)
    there = versions["location"] == location
    if Path(str(location)).exists():
        there |= versions["files"] == files_of(str(location)).digest
    family = set(versions[there]["id"])
    size = -1
    while size != len(family):
        size = len(family)
        linked = versions[versions["id"].isin(family) | versions["parent"].isin(family)]
        family |= set(linked["id"]) | set(linked["parent"].dropna())
    return family


def _versions(rows: pd.DataFrame) -> Iterator[list[Any]]:
    for row in rows.to_dict("records"):
        known = {name: value for name, value in row.items() if not pd.isna(value)}
        detail = f"{row['samples']:,} samples, {known.get('location') or row['source']}"
        if "parent" in known:
            detail += f", from {row['parent'][:_ID]}"
        if "files_artifact" in known:
            detail += ", bytes kept"
        yield _event(row, "version", row["id"], detail)


def _runs(rows: pd.DataFrame) -> Iterator[list[Any]]:
    for row in rows.to_dict("records"):
        yield _event(row, "run", row["id"], f"{row['folder']}, of version {row['version'][:_ID]}")


def _others(ledger: Ledger, runs: set[str]) -> Iterator[list[Any]]:
    for run in sorted(runs):
        for row in ledger.table("plan", run=run).to_dict("records"):
            detail = f"{row['edits']:,} edits, policy {row['policy'] or 'by hand'}"
            yield _event(row, "plan", row["id"], detail)
        for row in ledger.table("verification", run=run).to_dict("records"):
            detail = f"{row['verdict']}" + _interval(row)
            yield _event(row, "verification", str(row["plan"] or ""), detail)
        for row in ledger.table("calibration", run=run).to_dict("records"):
            detail = f"{row['answers']:,} answers: {row['rate']:.1%} of the labels are wrong"
            detail += f" ({row['lowest']:.1%} to {row['highest']:.1%}), {row['flagged']:,} flagged"
            yield _event(row, "calibration", run, detail)
        for _, group in ledger.table("decision", run=run).groupby("seq"):
            names = ", ".join(sorted(set(group["reviewer"])))
            row = group.iloc[0].to_dict()
            yield _event(row, "decisions", run, f"{len(group):,} by {names}")


def _interval(row: dict[Any, Any]) -> str:
    if pd.isna(row["difference"]):
        return ""
    text = f", {row['difference']:+.3g}"
    return (
        text if pd.isna(row["lowest"]) else f"{text} ({row['lowest']:.3g} to {row['highest']:.3g})"
    )


def _event(row: dict[Any, Any], what: str, name: str, detail: str) -> list[Any]:
    at = str(row["at"])[:19]  # to the second
    return [row["seq"], at, row["who"], what, name[:_ID], detail]
