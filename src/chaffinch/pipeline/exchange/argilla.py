"""Argilla 2: records with suggestions out, responses in.

Format: what ``dataset.records.to_json`` writes and ``from_json`` reads, see
https://docs.argilla.io/latest/reference/argilla/records/records.
"""

from collections.abc import Iterable, Mapping
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
    """Read the records that Argilla wrote, with the responses of all users.

    Raises:
        InputError: Another format.
    """
    good = isinstance(exported, list) and all(
        isinstance(record, dict) and isinstance(record.get("responses"), dict)
        for record in exported
    )
    if not good:
        raise InputError(
            "a list of records with responses, as dataset.records.to_json writes it",
            f"a {type(exported).__name__} of something else",
            "Export the records from Argilla again",
        )
    return [answer for record in exported for answer in _answers(record)]


def _answers(record: Mapping[str, Any]) -> list[Answer]:
    by_user: dict[str, dict[str, Any]] = {}
    for question, responses in record["responses"].items():
        for response in responses:
            if response.get("status") == "draft":
                continue
            said = by_user.setdefault(str(response.get("user_id") or ""), {})
            said[question] = response.get("value")
            if response.get("status") == "discarded":
                said.update(action="unsure", reason="discarded")
    run = (record.get("metadata") or {}).get("chaffinch_run")
    return [
        Answer(
            str(record["id"]),
            label=said.get("label"),
            action=said.get("action"),
            reason=str(said.get("reason") or ""),
            reviewer=user,
            run=run,
        )
        for user, said in by_user.items()
        if said.get("label") or said.get("action")
    ]
