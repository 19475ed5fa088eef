"""Argilla 2: records with suggestions out, responses in.

Format: what ``dataset.records.from_json`` reads, and what ``to_json`` or ``to_list(flatten=True)``
give, see https://docs.argilla.io/latest/reference/argilla/records/records. Only the flat form says
which responses are drafts or were discarded.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from chaffinch.core.errors import InputError
from chaffinch.pipeline.exchange.answer import Answer
from chaffinch.pipeline.exchange.task import AGENT, Task

QUESTIONS = ("label", "action", "reason")
"""Questions of the data set: the class, another verdict, and why."""


def to_records(tasks: Iterable[Task], run: str) -> list[dict[str, Any]]:
    """Records for a data set with the field and the `QUESTIONS`."""
    return [_record(task, run) for task in tasks]


def _record(task: Task, run: str) -> dict[str, Any]:
    suggestions = {}
    if task.suggestion is not None:
        suggestions["label"] = {"value": task.suggestion, "score": task.score, "agent": AGENT}
    told = {name: value for name, value in task.told.items() if value is not None}
    return {
        "id": task.id,
        "fields": {task.field: task.content},
        "metadata": {**told, "chaffinch_run": run},
        "suggestions": suggestions,
        "responses": {},
        "vectors": {},
    }


def answers(exported: Any) -> list[Answer]:
    """Read the records that Argilla wrote, nested or flat, with the responses of all users.

    Raises:
        InputError: Another format.
    """
    good = isinstance(exported, list) and all(map(_is_record, exported))
    if not good:
        raise InputError(
            "a list of records with responses, as dataset.records.to_list gives it",
            f"a {type(exported).__name__} of something else",
            "Export the records from Argilla again",
        )
    return [answer for record in exported for answer in _answers(record)]


def _is_record(record: Any) -> bool:
    if not isinstance(record, dict) or "id" not in record:
        return False
    return isinstance(record.get("responses"), dict) or "chaffinch_run" in record


def _answers(record: Mapping[str, Any]) -> list[Answer]:
    by_user: dict[str, dict[str, Any]] = {}
    for question, value, user, status in _responses(record):
        if status == "draft":
            continue
        said = by_user.setdefault(str(user or ""), {})
        said[question] = value
        if status == "discarded":
            said.update(action="unsure", reason="discarded")
    run = record.get("chaffinch_run") or (record.get("metadata") or {}).get("chaffinch_run")
    return [
        Answer(
            str(record["id"]),
            label=str(said["label"]) if said.get("label") else None,
            action=str(said["action"]) if said.get("action") else None,
            reason=str(said.get("reason") or ""),
            reviewer=user,
            run=run,
        )
        for user, said in by_user.items()
        if said.get("label") or said.get("action")
    ]


def _responses(record: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any, Any]]:
    """Question, value, user and status of each response; the nested form has no status."""
    for question, nested in (record.get("responses") or {}).items():
        for one in nested:
            yield question, one.get("value"), one.get("user_id"), one.get("status")
    for question in QUESTIONS:
        name = f"{question}.responses"
        values = record.get(name) or []  # None where nobody answered this one
        users = record.get(f"{name}.users") or [None] * len(values)
        statuses = record.get(f"{name}.status") or [None] * len(values)
        for value, user, status in zip(values, users, statuses, strict=True):
            yield question, value, user, status
