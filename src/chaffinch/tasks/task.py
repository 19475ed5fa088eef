"""The contract of a task: what a label is, and what follows from that."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from numpy.typing import NDArray

from chaffinch.core.errors import InputError
from chaffinch.core.kinds import Kind
from chaffinch.core.types import Codes, Floats
from chaffinch.diagnosis.selection import Threshold
from chaffinch.pipeline.outcome import Result
from chaffinch.pipeline.scan_input import ScanInput


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
