"""The contract of a task: what a label is, and what follows from that."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from numpy.typing import NDArray

from chaffinch.core.dataset import Dataset
from chaffinch.core.errors import InputError
from chaffinch.core.findings import Findings
from chaffinch.core.kinds import Kind
from chaffinch.core.types import Codes, Floats
from chaffinch.diagnosis.selection import Threshold
from chaffinch.pipeline.outcome import Result
from chaffinch.pipeline.scan_input import ScanInput
from chaffinch.pipeline.verification.outcome import Outcome
from chaffinch.repair.plan import Plan
from chaffinch.store.run import RunRecord


class Task(ABC):
    """What a label is. Whatever is done with data asks their task, and knows no more of labels.

    Most tasks are a `chaffinch.tasks.fold_task.FoldTask`, which does the scan by cross-validation
    and asks three questions: what the labels are in numbers, how they are predicted, and what the
    predictions say of them.

    Attributes:
        name: What users call it (``--task NAME``).
        noun: What a label is called, in the singular.
        kinds: The kinds of samples that it tells apart, in the order in which they are shown.
    """

    name: ClassVar[str]
    noun: ClassVar[str] = "label"
    kinds: ClassVar[Mapping[str, Kind]] = {}

    reference: str = ""
    """Where it was imported from, if it has no name among those installed; set by `find_task`."""

    def recognises(self, given: ScanInput) -> bool:  # noqa: ARG002  # for those that do
        """Whether ``task="auto"`` may take this task for the data; no by default.

        Raises:
            InputError: Data that cannot be opened.
        """
        return False

    @abstractmethod
    def scan(self, given: ScanInput) -> Result:
        """Find the samples that do harm, and keep the run where asked.

        Raises:
            InputError: Data, labels or options that this task cannot use.
            RunError: ``out`` holds another run.
        """

    def judged(
        self,
        labels: Any,  # noqa: ARG002  # for those that can
        records: Mapping[str, Any],  # noqa: ARG002
        features: Any,  # noqa: ARG002
        ids: Any,  # noqa: ARG002
        threshold: Threshold,  # noqa: ARG002
        seed: int,  # noqa: ARG002
    ) -> Result:
        """Judge labels by evidence that the user has; refused by default.

        Args:
            labels: (N,) the labels as they came.
            records: The evidence by name.
            features: (N, I) description of the samples, or None.
            ids: (N,) unique names, or None for their positions.
            threshold: The rule by which samples are flagged.
            seed: Decides every random choice.

        Raises:
            InputError: A task that collects its evidence itself, or evidence of other shapes.
        """
        raise InputError(
            "a task that judges evidence", f"{self.name!r}", "Use chaffinch.scan, which collects it"
        )

    def open(self, given: ScanInput) -> Dataset:
        """The data, whose labels may be of any type; by default one column of them."""
        return given.dataset

    def reopen(self, data: Any, opening: Mapping[str, Any]) -> Dataset:
        """Data opened as the scan did, for what follows it.

        Args:
            data: Those of a run, or others of the same form.
            opening: ``label`` and options that decide how data are opened.

        Raises:
            InputError: Data that cannot be opened.
        """
        return self.open(ScanInput.of(data, **{k: v for k, v in opening.items() if v is not None}))

    def write(self, plan: Plan, data: Any, opening: Mapping[str, Any], **options: Any) -> Any:
        """Give the repaired data in the form in which they came.

        By default one column of labels, in which new ones have the type of the others. A task whose
        labels stand in several columns, or that opens its data in a way of its own, overrides this.

        Args:
            plan: With labels as text, as in the findings.
            data: As they came: a path, a table, ``(X, y)``.
            opening: As for `reopen`.
            options: ``out``, ``overwrite``, ``links`` and ``seed`` of `Plan.apply`.

        Raises:
            InputError: Any reason of `Plan.apply`.
        """
        return plan.apply(data, **opening, **options)

    def verify(
        self,
        record: RunRecord,  # noqa: ARG002  # for those that can
        findings: Findings,  # noqa: ARG002
        plan: Plan,  # noqa: ARG002
        data: Any,  # noqa: ARG002
        validation: Any,  # noqa: ARG002
        options: Mapping[str, Any],  # noqa: ARG002
    ) -> Outcome:
        """Say whether a plan helps, by training with it and without; refused by default.

        Raises:
            InputError: A task that does not train.
        """
        raise InputError("a task that trains", repr(self.name), "Compare your own models")


@dataclass(frozen=True, eq=False)
class Problem:
    """What is judged.

    Attributes:
        ids: (N,) unique ids.
        given: (N,) the labels as they came.
        targets: (N, ...) the labels in numbers.
        seed: Decides every random choice.
        features: (N, I) description of the samples, where there is one.
        digests: (N,) hash of each sample without its label.
        groups: (N,) code of the source, annotator or time slice, where one was named.
    """

    ids: NDArray[Any]
    given: NDArray[Any]
    targets: NDArray[Any]
    seed: int = 0
    features: Floats | None = None
    digests: Sequence[str] = ()
    groups: Codes | None = None

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, eq=False)
class Judgement:
    """What the evidence says of N samples.

    Attributes:
        kinds: (N,) probability of each kind by name; over all kinds they sum to 1.
        suggested: (N,) the likeliest right label; None or NaN where there is none.
        confidence: (N,) how likely that one is if the given one is wrong, 0..1.
        why: (N,) one sentence on each sample, shown for those that are flagged.
        scores: (N,) further scores by name; higher = more suspicious.
        interval: (N,) lower and upper end of where the right label lies, for numbers.
        notes: What a reader must know.
        details: Further figures for the report.
    """

    kinds: Mapping[str, Floats]
    suggested: NDArray[Any]
    confidence: Floats
    why: Sequence[str]
    scores: Mapping[str, Floats] = field(default_factory=dict)
    interval: tuple[Floats, Floats] | None = None
    notes: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


def refuse_given(task: str, given: Collection[str]) -> None:
    """Refuse what a task has no use for.

    Raises:
        InputError: There is any.
    """
    if given:
        raise InputError(
            f"what the task {task!r} uses", ", ".join(sorted(given)), "Leave these out"
        )
