"""`explain`: why samples of a finished run were judged as they were."""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import pandas as pd

from chaffinch.core.errors import InputError
from chaffinch.core.evidence import Evidence
from chaffinch.core.explanation import Explanation
from chaffinch.core.findings import Findings
from chaffinch.core.kinds import SET_ASIDE
from chaffinch.core.sample_name import Name, ids_named
from chaffinch.diagnosis.explanation import explain as explain_evidence
from chaffinch.pipeline.explain_task import explain_findings
from chaffinch.pipeline.labelled import refuse_prompts
from chaffinch.store import EvidenceFolder
from chaffinch.store.run import EVIDENCE, EXPLANATIONS, RunFolder, RunRecord, write_text


@runtime_checkable
class Explains(Protocol):
    """A run, of whatever kind."""

    def explain(self, samples: Name | Iterable[Name] | None = None, /) -> list[Explanation]:
        """Say why samples were judged as they were."""
        ...


def explain(
    run: "str | os.PathLike[str] | RunFolder | Explains",
    ids: Name | Iterable[Name] | None = None,
) -> list[Explanation]:
    """Say why samples were judged as they were.

    Args:
        run: A run, or the folder of one (``cf.scan(..., out=...)``); its evidence is read.
        ids: One sample or several, flagged or not: ids, rows of the data counted from 0, or files,
            from the columns ``id``, ``row`` and ``source`` of the findings. By default the flagged
            samples, most suspicious first, then some that are protected.

    Returns:
        One explanation a sample, in the order asked for.

    Raises:
        InputError: Findings instead of a run, a run on prompts, or no such sample.
        RunError: No finished run in the folder, or its evidence is missing or damaged.
    """
    if isinstance(run, Findings):
        raise InputError(
            "a run, which keeps the evidence",
            "findings",
            "Pass what cf.scan returned, or its folder; findings keep one sentence a sample in "
            "'why'",
        )
    if isinstance(run, Explains):
        return run.explain(ids)
    if not isinstance(run, str | os.PathLike | RunFolder):
        raise InputError("a run or its folder", f"a {type(run).__name__}", "Pass one of these")
    folder = run if isinstance(run, RunFolder) else RunFolder(Path(run))
    refuse_prompts(folder.record)
    if folder.record.task is not None:
        return explain_run_of_task(folder.record, folder.findings, ids)
    evidence = EvidenceFolder(folder.path / EVIDENCE).load()
    return explain_table(folder.findings, evidence, ids, root_of(folder.record))


def explain_table(
    table: pd.DataFrame,
    evidence: Evidence,
    ids: Name | Iterable[Name] | None = None,
    root: str = "",
) -> list[Explanation]:
    """As `explain`, with findings and evidence at hand.

    Args:
        table: The findings, with the samples that were not judged.
        evidence: What the others were judged by, in their order.
        ids: As for `explain`.
        root: Folder from which the paths in ``source`` go.

    Raises:
        InputError: No such sample, or one that was not judged.
    """
    table, wanted = _wanted(table, ids, root)
    return explain_evidence(evidence, table, wanted)


def explain_run_of_task(
    record: RunRecord, table: pd.DataFrame, ids: Name | Iterable[Name] | None = None
) -> list[Explanation]:
    """As `explain`, for labels that are no classes.

    Args:
        record: Of the run.
        table: Its findings, with the samples that were not judged.
        ids: As for `explain`.

    Raises:
        InputError: No such sample, or one that was not judged.
    """
    table, wanted = _wanted(table, ids, root_of(record))
    return explain_findings(table, {} if record.task is None else record.task.kinds, wanted)


def _wanted(
    table: pd.DataFrame, ids: Name | Iterable[Name] | None, root: str
) -> tuple[pd.DataFrame, list[str] | None]:
    """The samples that were judged, and the ids of those asked for."""
    wanted = None if ids is None else ids_named(table, ids, root)
    aside = table[table["kind"].isin(SET_ASIDE)]
    asked = set(wanted or ())  # may hold what no column of Arrow can
    unjudged = aside[[str(one) in asked for one in aside["id"]]]
    if len(unjudged):
        first = unjudged.iloc[0]
        place = ", ".join(filter(None, (f"row {first['row']}", str(first["source"]))))
        raise InputError(
            "samples that were judged",
            f"{str(first['id'])!r} ({place}), which is {first['kind']} ({first['why']})",
            "The column 'why' of the findings says all that is known of it",
        )
    return table.drop(aside.index).reset_index(drop=True), wanted


def root_of(record: RunRecord) -> str:
    """The folder from which the paths in the findings of a run go; "" where there is none."""
    place = record.origin.path if record.origin is not None else ""
    if not place or "://" in place:
        return ""
    return place if os.path.isdir(place) else os.path.dirname(place)


def write_explanations(evidence: Evidence, findings: Findings, folder: Path) -> None:
    """Keep the explanations of the flagged samples and of some protected ones in a run folder."""
    made: Sequence[Explanation] = explain_evidence(evidence, findings.table)
    content = ",\n".join(json.dumps(one.to_dict(), allow_nan=False) for one in made)
    write_text(folder / EXPLANATIONS, f"[{content}]\n")
