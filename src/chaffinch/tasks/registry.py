"""All tasks, and which one some data are a case of."""

import os
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from chaffinch.core.errors import ChaffinchError, InputError
from chaffinch.models.factory import imported
from chaffinch.pipeline.outcome import Result
from chaffinch.pipeline.request import check_features
from chaffinch.pipeline.scan_input import ScanInput
from chaffinch.pipeline.task_steps import provide
from chaffinch.store.run import RunRecord
from chaffinch.tasks.classification import Classification
from chaffinch.tasks.multilabel.multilabel import Multilabel
from chaffinch.tasks.prompts import PromptsTask
from chaffinch.tasks.regression import Regression
from chaffinch.tasks.task import Task
from chaffinch.tasks.tokens import Tokens

AUTO = "auto"

GROUP = "chaffinch.tasks"
"""The group of entry points by which other packages add tasks."""

_BUILT_IN: tuple[type[Task], ...] = (
    Tokens,
    PromptsTask,
    Multilabel,
    Regression,
    Classification,
)
"""In the order in which they are asked; the last one takes whatever is left."""


def task_names() -> list[str]:
    """Names of all tasks that are installed, those of other packages included."""
    return [*(one.name for one in _BUILT_IN), *(one.name for one in _installed())]


def find_task(task: Any, given: ScanInput | None = None) -> Task:
    """The task of a name, or the one that some data are a case of.

    Args:
        task: A `Task` or its class, its name, ``MODULE:NAME`` or ``FILE.py:NAME`` of the class,
            or ``auto``.
        given: The data, for ``auto``; without them it stands for classification.

    Raises:
        InputError: No such task, or data that cannot be opened.
    """
    if isinstance(task, Task):
        return task
    if isinstance(task, type) and issubclass(task, Task):
        return _referred(task(), f"{task.__module__}:{task.__qualname__}")
    if not isinstance(task, str):
        raise InputError("a task or its name", f"a {type(task).__name__}", _known())
    if task == AUTO:
        return Classification() if given is None else _recognised(given)
    if ":" in task:
        place, _, name = task.rpartition(":")
        whole = os.path.abspath(place) if place.endswith(".py") else place
        return _referred(_made(imported(task, "--task"), task), f"{whole}:{name}")
    for own in _BUILT_IN:
        if own.name == task:
            return own()
    for entry in _installed():
        if entry.name == task:
            return _made(entry.load(), task)
    raise InputError("the name of a task", repr(task), _known())


def task_of(record: RunRecord) -> Task | None:
    """The task of a run; None where it was not named by anything that is still there."""
    if record.task is None:
        return None
    try:
        return find_task(record.task.reference or record.task.name)
    except ChaffinchError:
        return None


def scan_by_task(given: ScanInput) -> Result:
    """Do what `chaffinch.scan` promises, without making a `Run` of it.

    Raises:
        InputError: Data, labels, model or options that are not usable.
        RunError: ``out`` holds another run.
    """
    check_features(given.options)  # before the data are opened to see which task they are of
    task = find_task(given.options.task, given)
    return task.scan(given.of_task(task.name))


def _recognised(given: ScanInput) -> Task:
    others = (_made(entry.load(), entry.name) for entry in _installed())
    every: Iterator[Task] = (own() for own in _BUILT_IN)
    for task in (*others, *every):
        if task.recognises(given):
            return task
    return Classification()


def _installed() -> list[EntryPoint]:
    return sorted(entry_points(group=GROUP), key=lambda entry: entry.name)


def _made(found: Any, name: str) -> Task:
    made = found() if callable(found) else found
    if not isinstance(made, Task):
        raise InputError(
            f"a subclass of chaffinch.tasks.Task at {name!r}", f"{type(made).__name__}", _known()
        )
    return made


def _referred(task: Task, reference: str) -> Task:
    if type(task) not in _BUILT_IN:
        task.reference = reference
    return task


def _known() -> str:
    return f"Known: {', '.join(task_names())}, or MODULE:NAME of a task of your own"


provide(task_of)
