"""`import_decisions`: what reviewers decided elsewhere, into the ledger."""

import csv
import io
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from chaffinch.core.edit_row import separator_of
from chaffinch.core.errors import InputError
from chaffinch.core.labels import class_named
from chaffinch.core.parsing import parse_json
from chaffinch.core.uneven import need_no_longer
from chaffinch.data.column import few
from chaffinch.data.written import find_separator, plain_text
from chaffinch.pipeline.exchange import argilla, label_studio
from chaffinch.pipeline.exchange.answer import Answer
from chaffinch.pipeline.ledger import run_id
from chaffinch.store.decision import Decision, check_samples
from chaffinch.store.ledger import Ledger
from chaffinch.store.run import RunFolder

_COLUMNS = ("id", "action", "label", "reviewer", "reason", "confidence", "decided_at")


def import_decisions(
    run: str | Path,
    file: str | Path,
    source: str,
    ledger: Ledger,
    *,
    reviewer: str = "",
    names: Mapping[str, str] | None = None,
) -> tuple[int, int]:
    """Read reviewers' decisions on a run and record them; those known already are left out.

    Args:
        run: The run folder from which the tasks were exported.
        file: What the tool exported.
        source: One of `SOURCES`.
        ledger: Where to record them.
        reviewer: Who decided, where the file does not say.
        names: Names of reviewers by what the tool knows them by.

    Returns:
        How many decisions were read, and how many of them were new.

    Raises:
        InputError: Another format, decisions of another run, on unknown samples or for unknown
            classes, or by nobody. Nothing is recorded then.
    """
    if source not in SOURCES:
        raise InputError(f"a source among {', '.join(SOURCES)}", repr(source), "Choose with --from")
    folder, path = RunFolder(run), Path(file).expanduser()
    try:
        content = path.read_bytes()
        when = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat()
    except OSError as error:
        got = error.strerror or str(error)
        raise InputError(f"a file of decisions at {path}", got, "Check the path") from error
    text = plain_text(content, str(path))
    answers = [_named(answer, reviewer, names or {}, when) for answer in SOURCES[source](text)]
    name = run_id(run)
    _check_run(answers, name)
    decisions = _decisions(answers, folder, source)
    return len(decisions), ledger.decide(name, decisions)


def _decisions(answers: Sequence[Answer], run: RunFolder, source: str) -> list[Decision]:
    table = run.findings
    given = dict(zip(table["id"].astype(str), table["given_label"].astype(str), strict=True))
    known = set(run.record.data.classes)
    answers = [_meant(answer, known, given) for answer in answers]
    decisions = [answer.decision(given.get(answer.sample, ""), source) for answer in answers]
    check_samples(decisions, given)
    strange = [one for one in decisions if one.label is not None and one.label not in known]
    if strange:
        raise InputError(
            f"labels among the {len(known)} classes of the run",
            f"{len(strange)} others, such as {strange[0].label!r} for {strange[0].sample!r}",
            "Correct them; a new class is a matter of labelling anew, not of review",
        )
    return decisions


def _meant(answer: Answer, known: set[str], ids: Container[str]) -> Answer:
    answer = replace(answer, sample=_unquoted(answer.sample, ids))
    if answer.label is None:
        return answer
    return replace(answer, label=class_named(_unquoted(answer.label, known), known))


def _unquoted(text: str, known: Container[str]) -> str:
    """The text without the apostrophe that an export with ``safe_csv`` puts before it."""
    bare = text.removeprefix("'")
    return bare if text not in known and bare in known else text


def _named(answer: Answer, reviewer: str, names: Mapping[str, str], when: str) -> Answer:
    who = names.get(answer.reviewer, answer.reviewer) or reviewer
    if not who:
        raise InputError(
            f"the reviewer of the sample {answer.sample!r}", "nobody", "Name one with --reviewer"
        )
    # Without a date of its own, the file's is taken: read twice, it gives the same decisions.
    return replace(answer, reviewer=who, decided_at=answer.decided_at or when)


def _check_run(answers: Sequence[Answer], run: str) -> None:
    others = sorted({str(answer.run) for answer in answers if answer.run not in (None, run)})
    if others:
        raise InputError(
            f"decisions on the run {run}",
            f"decisions on the run {others[0]}",
            "Name the run from which the tasks were exported",
        )


def _json(read: Callable[[object], list[Answer]]) -> Callable[[str], list[Answer]]:
    def parse(text: str) -> list[Answer]:
        try:
            content = parse_json(text)
        except ValueError as error:
            raise InputError("a file of JSON", str(error), "Export it again") from error
        try:
            return read(content)
        except InputError:
            raise
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            got = f"parts of another form ({type(error).__name__}: {error})"
            raise InputError("what the tool exports", got, "Export it again") from error

    return parse


def _read_csv(text: str) -> list[Answer]:
    try:
        return _answers(text)
    except csv.Error as error:
        raise InputError("a CSV file", str(error), "Save it again as CSV") from error


def _answers(text: str) -> list[Answer]:
    separator = find_separator(text, separator_of(text))  # spreadsheets have those of the country
    need_no_longer(text, separator, "the file of decisions")
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
    names = set(rows.fieldnames or ())
    if "id" not in names or not names & {"action", "label"}:
        raise InputError(
            f"a CSV file with the columns id and action or label (known: {', '.join(_COLUMNS)})",
            f"the columns {few(sorted(names))}" if names else "no columns",
            "Rename or add columns",
        )
    answers = []
    for number, row in enumerate(rows, start=2):
        cells = {name: (row.get(name) or "").strip() for name in _COLUMNS}
        if not cells["action"] and not cells["label"]:
            continue  # not decided
        try:
            confidence = (
                float(cells["confidence"].replace(",", ".")) if cells["confidence"] else None
            )
        except ValueError as error:
            raise InputError(
                "a confidence in 0..1", f"{cells['confidence']!r} in line {number}", "Correct it"
            ) from error
        answers.append(
            Answer(
                cells["id"],
                cells["label"] or None,
                cells["action"] or None,
                cells["reason"],
                cells["reviewer"],
                confidence,
                cells["decided_at"],
            )
        )
    return answers


SOURCES: dict[str, Callable[[str], list[Answer]]] = {
    "label-studio": _json(label_studio.answers),
    "argilla": _json(argilla.answers),
    "csv": _read_csv,
}
"""Where decisions can come from."""
