"""`explain`: why samples of a finished run were judged as they were."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from chaffinch.core.errors import InputError
from chaffinch.core.evidence import Evidence
from chaffinch.core.explanation import Explanation
from chaffinch.core.findings import Findings
from chaffinch.core.kinds import SET_ASIDE
from chaffinch.core.option import listed
from chaffinch.diagnosis.explanation import explain as explain_evidence
from chaffinch.pipeline.labelled import need_labels
from chaffinch.store import EvidenceFolder
from chaffinch.store.run import EVIDENCE, EXPLANATIONS, RunFolder, write_text


def explain(
    run: str | Path | RunFolder, ids: str | Iterable[str] | None = None
) -> list[Explanation]:
    """Say why samples were judged as they were.

    Args:
        run: Folder of a finished run (``cf.scan(..., out=...)``); its evidence is read.
        ids: One id or several, from the column ``id`` of the findings; flagged or not. By default
            the flagged samples, most suspicious first, then some that are protected.

    Returns:
        One explanation a sample, in the order asked for.

    Raises:
        InputError: Findings instead of a run, a run on prompts, or an unknown id.
        RunError: No finished run in the folder, or its evidence is missing or damaged.
    """
    if isinstance(run, Findings):
        raise InputError(
            "the folder of a run, which keeps the evidence",
            "findings",
            "Scan with out='RUN' and pass 'RUN'; findings keep one sentence a sample in 'why'",
        )
    folder = run if isinstance(run, RunFolder) else RunFolder(run)
    need_labels(folder.record)
    evidence = EvidenceFolder(folder.path / EVIDENCE).load()
    table = folder.findings
    single = isinstance(ids, str)
    wanted = (
        None if ids is None else [str(one) for one in ([ids] if single else listed("ids", ids))]
    )
    aside = table[table["kind"].isin(SET_ASIDE)]
    asked = set(wanted or ())  # may hold what no column of Arrow can
    unjudged = aside[[str(one) in asked for one in aside["id"]]]
    if len(unjudged):
        first = unjudged.iloc[0]
        raise InputError(
            "samples that were judged",
            f"{str(first['id'])!r}, which is {first['kind']} ({first['why']})",
            "The column 'why' of the findings says all that is known of it",
        )
    return explain_evidence(evidence, table.drop(aside.index).reset_index(drop=True), wanted)


def write_explanations(evidence: Evidence, findings: Findings, folder: Path) -> None:
    """Keep the explanations of the flagged samples and of some protected ones in a run folder."""
    made: Sequence[Explanation] = explain_evidence(evidence, findings.table)
    content = ",\n".join(json.dumps(one.to_dict(), allow_nan=False) for one in made)
    write_text(folder / EXPLANATIONS, f"[{content}]\n")
