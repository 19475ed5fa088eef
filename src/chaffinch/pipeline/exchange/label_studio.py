"""Label Studio: tasks with predictions out, annotations in.

Formats: https://labelstud.io/guide/task_format and https://labelstud.io/guide/predictions.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import quoteattr

from chaffinch.core.errors import InputError
from chaffinch.core.identity import digest
from chaffinch.pipeline.exchange.answer import Answer
from chaffinch.pipeline.exchange.task import ACTIONS, AGENT, Task

_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_SHOWN = "sample"
_SERVED = "/data/local-files/?d="
"""What addresses of files on the disk of the server begin with."""


def to_tasks(
    tasks: Iterable[Task], run: str, files: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """Tasks for import into a project with the configuration of `configuration`.

    Args:
        tasks: The samples.
        run: Id of the run.
        files: Paths of all images or sounds of the data; None where the samples are no files. They
            are addressed below the folder above the one that holds them all, because Label Studio
            serves only what lies in a subfolder of its document root.
    """
    root = _root(files)
    return [_task(task, run, root) for task in tasks]


def _root(files: Sequence[str] | None) -> Path | None:
    if files:
        with suppress(ValueError):  # on several drives of Windows
            folders = {os.path.dirname(os.path.abspath(file)) for file in files}
            return Path(os.path.commonpath(folders)).parent
    return None


def _content(task: Task, root: Path | None) -> str:
    if root is None:
        return task.content
    below = Path(os.path.abspath(task.content)).relative_to(root)
    return _SERVED + quote(below.as_posix())


def _task(task: Task, run: str, root: Path | None) -> dict[str, Any]:
    shown = {task.field: _content(task, root)}
    data = {**shown, **task.told, "chaffinch_id": task.id, "chaffinch_run": run}
    predictions: list[dict[str, Any]] = []
    if task.suggestion is not None:
        choice = {
            "id": digest(task.id.encode()),  # no two results of a project may have the same one
            "from_name": "label",
            "to_name": _SHOWN,
            "type": "choices",
            "value": {"choices": [task.suggestion]},
        }
        predictions.append({"model_version": AGENT, "score": task.score, "result": [choice]})
    return {"data": data, "predictions": predictions}


def configuration(classes: Iterable[str], field: str) -> str:
    """The labelling interface: the sample, its class, other verdicts and a reason.

    Raises:
        InputError: A class whose name has characters that XML cannot hold.
    """
    classes = list(classes)
    strange = [name for name in classes if _NOT_XML.search(name)]
    if strange:
        raise InputError(
            "class names without control characters", repr(strange[0]), "Rename the class"
        )
    tag = {"image": "Image", "audio": "Audio"}.get(field, "Text")
    labels = "\n".join(f"    <Choice value={quoteattr(name)}/>" for name in classes)
    actions = "\n".join(f"    <Choice value={quoteattr(name)}/>" for name in ACTIONS)
    return (
        "<View>\n"
        f'  <{tag} name="{_SHOWN}" value="${field}"/>\n'
        '  <Header value="Given label: $given_label"/>\n'
        f'  <Choices name="label" toName="{_SHOWN}" choice="single">\n{labels}\n  </Choices>\n'
        f'  <Choices name="action" toName="{_SHOWN}" choice="single">\n{actions}\n  </Choices>\n'
        f'  <TextArea name="reason" toName="{_SHOWN}" placeholder="Why?"/>\n'
        "</View>\n"
    )


def answers(exported: Any) -> list[Answer]:
    """Read what Label Studio exports as JSON or as JSON-MIN.

    Raises:
        InputError: Another format, or tasks that were not made by an export of Chaffinch.
    """
    if not isinstance(exported, list) or not all(isinstance(task, dict) for task in exported):
        raise InputError(
            "a list of tasks, as Label Studio exports them as JSON or JSON-MIN",
            f"a {type(exported).__name__}",
            "Export the project again as JSON",
        )
    found: list[Answer] = []
    for task in exported:
        if "data" in task:
            made = (_annotation(one, task["data"]) for one in task.get("annotations") or [])
            found += [answer for answer in made if answer is not None]
        elif answer := _flat(task):
            found.append(answer)
    return found


def _annotation(annotation: Mapping[str, Any], data: Mapping[str, Any]) -> Answer | None:
    chosen: dict[str, str] = {}
    for part in annotation.get("result") or []:
        value = part.get("value") or {}
        words = value.get("choices") or value.get("text") or []
        words = [words] if isinstance(words, str) else words
        if words:
            chosen[str(part.get("from_name"))] = str(words[0])
    skipped = bool(annotation.get("was_cancelled"))
    if skipped:
        chosen = {"action": "unsure", "reason": "skipped"}
    moment = annotation.get("updated_at") or annotation.get("created_at")
    return _answer(data, chosen, annotation.get("completed_by"), moment)


def _flat(task: Mapping[str, Any]) -> Answer | None:
    chosen = {name: task[name] for name in ("label", "action", "reason") if task.get(name)}
    chosen = {name: v[0] if isinstance(v, list) else v for name, v in chosen.items()}
    moment = task.get("updated_at") or task.get("created_at")
    return _answer(task, chosen, task.get("annotator"), moment)


def _answer(
    data: Mapping[str, Any], chosen: Mapping[str, Any], who: Any, moment: Any
) -> Answer | None:
    if "chaffinch_id" not in data:
        raise InputError(
            "tasks that 'chaffinch export --to label-studio' made",
            "a task without chaffinch_id",
            "Export the tasks of this run and label those",
        )
    if not chosen.get("label") and not chosen.get("action"):
        return None
    return Answer(
        str(data["chaffinch_id"]),
        label=_words(chosen.get("label")),
        action=_words(chosen.get("action")),
        reason=_words(chosen.get("reason")) or "",
        reviewer=_name(who),
        decided_at=str(moment or ""),
        run=data.get("chaffinch_run"),
    )


def _words(value: Any) -> str | None:
    return str(value) if value else None


def _name(who: Any) -> str:
    if isinstance(who, Mapping):
        return str(who.get("email") or who.get("username") or f"user {who.get('id')}")
    return "" if who is None else f"user {who}" if isinstance(who, int) else str(who)
