"""The outcome of a run in plain words; the page and the terminal say the same."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from chaffinch.core.findings import scorer_columns
from chaffinch.core.kinds import MISLABELLED, SET_ASIDE, WRONG_LABEL
from chaffinch.core.rate_range import RateRange
from chaffinch.report import wording
from chaffinch.report.wording import Naming
from chaffinch.store.run import RunRecord

_MANY_FALSE = 0.5


@dataclass(frozen=True)
class Verdict:
    """What was found.

    Attributes:
        samples: How many samples were judged.
        flagged: How many of them stand out.
        expected: Expected number of harmful samples in the whole set.
        kinds: Number of flagged samples by kind, most frequent first; empty where none is known.
        accuracies: (name, share, meaning) of the model, the most trustworthy first.
        notes: What a reader must know to read the figures rightly.
        labelled: Whether the samples have labels; prompts with responses have none.
        aside: Number of samples that could not be judged, by kind; they are in no other figure
            but `samples`.
        rate: Where the share of wrong labels may lie; None where the findings do not say.
        noun: What a label is called.
    """

    samples: int
    flagged: int
    expected: float
    kinds: tuple[tuple[str, int], ...]
    accuracies: tuple[tuple[str, float, str], ...]
    notes: tuple[str, ...]
    labelled: bool = True
    aside: tuple[tuple[str, int], ...] = ()
    rate: RateRange | None = None
    noun: str = "label"

    @property
    def blind(self) -> bool:
        """Whether it cannot be told how many labels are wrong."""
        return self.rate is not None and not self.rate.told

    @property
    def share(self) -> float:
        """Share of the samples that is flagged."""
        return self.flagged / self.samples if self.samples else 0.0

    @property
    def looks(self) -> str:
        """What the flagged samples look like, with the verb."""
        verb = "looks" if self.flagged == 1 else "look"
        return f"{verb} {MISLABELLED if self._only_labels else 'harmful'}"

    @property
    def _only_labels(self) -> bool:
        """Whether nothing but wrong labels was found; a twin may be what gave them away."""
        if self.noun != "label":  # each kind of such a task is one of its labels
            return False
        kinds = [kind for kind, _ in self.kinds if kind not in SET_ASIDE]
        return self.labelled and all(kind in WRONG_LABEL for kind in kinds)

    @property
    def headline(self) -> str:
        """One sentence without the full stop."""
        total = wording.count(self.samples)
        if not self.flagged and self.blind:
            return f"Cannot tell how many of {total} labels are wrong"
        if not self.flagged:
            return f"Nothing suspicious found in {total} samples"
        share = wording.percent(self.share)
        return f"{wording.count(self.flagged)} of {total} samples {self.looks} ({share})"

    @property
    def expectation(self) -> str:
        """How many of them there may be, flagged or not."""
        if self.rate is not None:
            return self.rate.words
        number = wording.about(self.expected)
        noun = f"wrong {self.noun}" if self._only_labels else "harmful sample"
        noun += "" if round(self.expected) <= 1 else "s"
        return f"{number} {noun} expected in the whole set"


def judge(record: RunRecord, findings: pd.DataFrame) -> Verdict:
    """Read the outcome from the record and the findings of a run."""
    flagged = findings["flagged"].astype(bool)
    aside: tuple[tuple[str, int], ...] = ()
    kinds: tuple[tuple[str, int], ...] = ()
    if "kind" in findings:
        said = findings["kind"].astype(str)
        aside = tuple((kind, int((said == kind).sum())) for kind in SET_ASIDE)
        flagged &= ~said.isin(SET_ASIDE)
        counted = findings.loc[flagged, "kind"].dropna().astype(str).value_counts()
        kinds = tuple(sorted(((str(k), int(n)) for k, n in counted.items()), key=_most_first))
    expected = record.judgement.estimated_errors
    naming = Naming(record.data.classes, record.task)
    return Verdict(
        samples=len(findings),
        flagged=int(flagged.sum()),
        expected=expected,
        kinds=kinds,
        accuracies=tuple(_accuracies(record)),
        notes=(*record.judgement.notes, *_doubtful_flags(findings, flagged)),
        labelled=naming.labelled,
        noun=naming.noun,
        aside=tuple((kind, count) for kind, count in aside if count),
        rate=RateRange.of(record.judgement.details, expected / max(len(findings), 1)),
    )


def _doubtful_flags(findings: pd.DataFrame, flagged: "pd.Series[bool]") -> tuple[str, ...]:
    """What it means that many of the flagged samples may be right."""
    worst = findings.loc[flagged, "q_value"].max() if flagged.any() else 0.0
    if not worst > _MANY_FALSE:
        return ()
    right = float((1 - findings.loc[flagged, "suspicion"]).sum())
    return (
        f"Of the {wording.count(int(flagged.sum()))} flagged samples, {wording.about(right)} "
        f"are expected to be right, at worst {wording.share(worst)} (their q-value): errors "
        "are hard to tell apart here, and missed ones weigh as much as false alarms. For fewer "
        "false alarms, look at samples of a low q-value only, or use select='fdr'.",
    )


def scorers(record: RunRecord, findings: pd.DataFrame) -> list[str]:
    """The scorer columns that the findings hold, those named by the record first."""
    named = [name for name in record.judgement.scorers if name in findings]
    others = [name for name in scorer_columns(map(str, findings)) if name not in named]
    return named + others


def demo_figures(demo: dict[str, Any]) -> list[tuple[str, str]]:
    """The known truth of the demo as (name, value) pairs; shares as percentages."""
    shares = {"precision", "recall"}
    figures = []
    for key, value in demo.items():
        is_share = key in shares and isinstance(value, int | float)
        figures.append(
            (key.replace("_", " "), wording.percent(value) if is_share else _plain(value))
        )
    return figures


def _plain(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        return wording.cell(value)
    return wording.count(value)


def _most_first(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def _accuracies(record: RunRecord) -> list[tuple[str, float, str]]:
    model, found = record.model, []
    if model.validation_accuracy is not None:
        size = record.data.validation_samples
        on = f"on {wording.count(size)} validation samples" if size else "on validation samples"
        found.append(("Validation", model.validation_accuracy, on))
    if model.held_out_accuracy:
        meaning = "on samples kept out of training"
        found.append(("Held-out", model.held_out_accuracy[-1], meaning))
    if model.training_accuracy:
        meaning = "on its own training samples"
        found.append(("Training", model.training_accuracy[-1], meaning))
    return found
