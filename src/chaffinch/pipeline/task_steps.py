"""What of a run only its task can do, found by the record of the run.

Tasks stand above the pipeline; `chaffinch.tasks.registry` says at import how they are found.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from chaffinch.core.dataset import Dataset
from chaffinch.core.findings import Findings
from chaffinch.data import open_data
from chaffinch.pipeline.options import OPENING
from chaffinch.pipeline.verification.outcome import Outcome
from chaffinch.repair.plan import Plan
from chaffinch.store.run import RunRecord


class TaskSteps(Protocol):
    """The steps that follow a scan, as a task does them."""

    def reopen(self, data: Any, opening: dict[str, Any]) -> Dataset:
        """Open data as the scan did."""
        ...

    def write(self, plan: Plan, data: Any, opening: dict[str, Any], **options: Any) -> Any:
        """Give the repaired data in the form in which they came."""
        ...

    def verify(
        self,
        record: RunRecord,
        findings: Findings,
        plan: Plan,
        data: Any,
        validation: Any,
        options: Mapping[str, Any],
    ) -> Outcome:
        """Say whether a plan helps, by training with it and without."""
        ...


Find = Callable[[RunRecord], TaskSteps | None]

_found_by: list[Find] = []


def provide(find: Find) -> None:
    """Say how the task of a run is found; None for a run on classes."""
    _found_by[:] = [find]


def steps_of(record: RunRecord) -> TaskSteps | None:
    """The task of a run on labels that are no classes, else None."""
    return _found_by[0](record) if _found_by and record.task is not None else None


def opening_of(record: RunRecord) -> dict[str, Any]:
    """How a run opened its data, as `open_data` takes it."""
    label = record.origin.label if record.origin is not None else None
    return {"label": label, **{name: record.configuration.get(name) for name in OPENING}}


def reopened(record: RunRecord, data: Any) -> Dataset:
    """Data opened as the scan of a run opened them, under the label that its task reads.

    Raises:
        InputError: Data that cannot be opened.
    """
    steps, opening = steps_of(record), opening_of(record)
    if steps is None:
        return open_data(data, trainable=False, **opening)
    return steps.reopen(data, opening)


def written(record: RunRecord, plan: Plan, data: Any, **options: Any) -> Any:
    """What `Plan.apply` gives, as the task of a run writes its labels.

    Raises:
        InputError: Any reason of `Plan.apply`.
    """
    steps, opening = steps_of(record), opening_of(record)
    if steps is None:
        return plan.apply(data, **opening, **options)
    return steps.write(plan, data, opening, **options)
