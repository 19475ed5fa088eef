"""What people answered about the labels of a run: in the ledger, in the run, in earlier runs."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from chaffinch.core.answers import frame, join
from chaffinch.core.errors import ChaffinchError
from chaffinch.core.findings import Findings
from chaffinch.core.labels import class_names
from chaffinch.core.own_kinds import widened
from chaffinch.pipeline.ledger import run_id
from chaffinch.store.decision import Decision
from chaffinch.store.ledger import Ledger
from chaffinch.store.run import AnswerRecord, CalibrationRecord, DrawnRecord, RunFolder
from chaffinch.store.version import rows_at

CHECK = "check"
"""Source of decisions that answer whether the label of a drawn sample is right."""

_OPEN = "The label is wrong; which one is right was not said."


def take_answers(
    run: RunFolder,
    findings: Findings,
    answers: Mapping[Any, Any] | pd.DataFrame,
    ledger: Ledger | None,
    reviewer: str,
) -> None:
    """Keep answers: as decisions in the ledger, and in the run what no decision can say.

    A label that is right becomes ``keep``, a named one ``relabel`` and "cannot tell" ``unsure``.
    "Wrong" without the right label is ``unsure`` as well, and what was said stands in the run.

    Args:
        run: The run.
        findings: Its findings as the scan left them.
        answers: As `Findings.calibrate` takes them.
        ledger: Where decisions go; None keeps all answers in the run.
        reviewer: Who answered, where the answers do not say.

    Raises:
        InputError: Any reason of `Findings.calibrate`; nothing is kept then.
    """
    classes = widened(findings.classes, answers, findings.details)
    told = frame(answers, classes)
    names = class_names(classes)
    code_of = {name: code for code, name in enumerate(names)}
    # Samples that were not judged may have no label, or one of no class.
    given = np.asarray([code_of.get(str(one), -1) for one in findings.table["given_label"]])
    join(told, findings.table["id"].tolist(), given)  # refuses what cannot be used
    own = dict(zip(findings.table["id"].astype(str), given.tolist(), strict=True))
    kept = run.calibration
    said = {(one.id, one.reviewer): one for one in kept.answers}
    decisions = []
    for row in told.to_dict("records"):
        who, name = str(row["reviewer"] or reviewer), str(row["id"])
        code, wrong = int(row["label"]), None if np.isnan(row["wrong"]) else bool(row["wrong"])
        code = own[name] if code < 0 and wrong is False else code
        label = None if code < 0 else names[code]
        said.pop((name, who), None)
        if ledger is None or (label is None and wrong is not None):
            said[name, who] = AnswerRecord(id=name, reviewer=who, label=label, wrong=wrong)
        decisions.append(_decision(name, who, label, 0 <= code == own[name], wrong))
    if ledger is not None:
        ledger.decide(run_id(run.path), decisions)
    drawn = _drawn(kept, told, has_weights="weight" in told)
    run.keep_calibration(kept.model_copy(update={"answers": [*said.values()], "drawn": drawn}))


def answers_of(run: RunFolder, findings: Findings, ledger: Ledger | None) -> pd.DataFrame:
    """All that is known of the labels of a run, one row an answer.

    Answers to earlier versions of the data count where the sample is the same: same id, same
    content. The last word of each reviewer on a sample counts.

    Args:
        run: The run.
        findings: Its findings as the scan left them.
        ledger: Where decisions are; None for the answers in the run alone.

    Returns:
        Columns ``id``, ``label`` (None: not named), ``wrong`` (None: cannot tell), ``reviewer``
        and ``weight`` (NaN: not drawn at random; without the column, no draw is on record).
    """
    kept, classes = run.calibration, set(class_names(findings.classes))
    text = findings.table[["id", "given_label"]].astype(str)
    given = dict(zip(text["id"], text["given_label"], strict=True))
    rows: dict[tuple[str, str], tuple[str | None, bool | None]] = {}
    if ledger is not None:
        for who, name, old in _earlier(ledger, run_id(run.path), set(given)):
            if old in classes:
                rows[name, who] = (old, None)
        for one in ledger.decisions(run_id(run.path)).to_dict("records"):
            key = str(one["sample"]), str(one["reviewer"])
            if key[0] in given:
                label = _label(one, given[key[0]])
                # A label that no sample has yet says that the given one is wrong.
                new = label is not None and label not in classes and run.record.task is not None
                rows[key] = (label if label in classes else None, True if new else None)
    for said in kept.answers:
        key = said.id, said.reviewer
        if said.id in given and (key not in rows or rows[key][0] is None):
            new = said.label is not None and said.label not in classes
            rows[key] = (None, True) if new else (said.label, said.wrong)
    table = pd.DataFrame(
        [(name, label, wrong, who) for (name, who), (label, wrong) in rows.items()],
        columns=["id", "label", "wrong", "reviewer"],
    ).astype({"label": object, "wrong": object})
    if kept.drawn:
        weights = {one.id: one.weight for one in kept.drawn}
        table["weight"] = table["id"].map(weights).astype(np.float64)
    return table


def decisions_of(run: RunFolder, findings: Findings, ledger: Ledger | None) -> pd.DataFrame:
    """What people decided of the samples of a run: the ledger's decisions and other answers.

    Args:
        run: The run.
        findings: Its findings as the scan left them.
        ledger: Where decisions are; None for the answers in the run alone.

    Returns:
        As `Ledger.decisions`; ``seq`` and what else an answer lacks is missing.
    """
    own = pd.DataFrame(columns=["sample", "action", "label", "reviewer", "reason", "confidence"])
    own = own if ledger is None else ledger.decisions(run_id(run.path))
    known = set(zip(own["sample"], own["reviewer"], strict=True))
    given = findings.table.astype({"id": str}).set_index("id")["given_label"].astype(str)
    told = answers_of(run, findings, ledger).to_dict("records")
    more = []
    for one in told:
        name, who, label = one["id"], one["reviewer"], one["label"]
        label = given[name] if one["wrong"] is False else label
        if (name, who) not in known:
            more.append(_decision(name, who, label, label == given[name], one["wrong"]))
    if not more:
        return own
    parts = [own, pd.DataFrame([asdict(one) for one in more])]
    return pd.concat([part for part in parts if len(part)], ignore_index=True)


def _drawn(kept: CalibrationRecord, told: pd.DataFrame, *, has_weights: bool) -> list[DrawnRecord]:
    """The samples drawn so far, with those whose weights came with the answers."""
    known = {one.id: one for one in kept.drawn}
    for name, weight in zip(told["id"], told.get("weight", ()), strict=False):
        if has_weights and not np.isnan(weight):
            known.setdefault(str(name), DrawnRecord(id=str(name), weight=float(weight)))
    return [*known.values()]


def _decision(name: str, who: str, label: str | None, same: bool, wrong: bool | None) -> Decision:
    if label is not None and same:
        return Decision(name, "keep", who, source=CHECK)
    if label is not None:
        return Decision(name, "relabel", who, label=label, source=CHECK)
    return Decision(name, "unsure", who, reason=_OPEN if wrong else "", source=CHECK)


def _label(decision: Mapping[Any, Any], given: str) -> str | None:
    """The right label by a decision; None where it does not say."""
    action = decision["action"]
    if action in ("keep", "readmit"):
        return given
    return str(decision["label"]) if action == "relabel" else None


def _earlier(ledger: Ledger, run: str, ids: set[str]) -> Iterator[tuple[str, str, str]]:
    """Reviewer, sample and right label by decisions on earlier runs, the oldest first."""
    runs, decisions = ledger.table("run"), ledger.table("decision")
    own = runs[runs["id"] == run]
    others = runs[(runs["id"] != run) & runs["id"].isin(set(decisions["run"]))]
    if not len(own) or not len(others):
        return
    mine = _version(ledger, own["version"].iloc[-1])
    found = []
    for other in others.drop_duplicates("id").to_dict("records"):
        theirs = _version(ledger, other["version"])
        for one in ledger.decisions(str(other["id"])).to_dict("records"):
            name = str(one["sample"])
            if name not in ids or name not in mine or name not in theirs:
                continue
            label = _label(one, theirs[name][1])
            if label is not None and mine[name][0] == theirs[name][0]:
                found.append((str(one["decided_at"]), str(one["reviewer"]), name, label))
    for _, who, name, label in sorted(found):
        yield who, name, label


def _version(ledger: Ledger, name: str) -> dict[str, tuple[str, str]]:
    """Digest and label by id; nothing where the rows of the version were not kept."""
    try:
        rows = rows_at(ledger, name)
    except (ChaffinchError, OSError):
        return {}
    pairs = zip(rows["digest"].astype(str), rows["label"].astype(str), strict=True)
    return dict(zip(rows["id"].astype(str), pairs, strict=True))
