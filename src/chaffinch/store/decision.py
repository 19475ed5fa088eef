"""What reviewers decided of samples, and where they disagree."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd

from chaffinch.core.errors import InputError

WITHDRAW = "withdraw"

ACTIONS = ("keep", "relabel", "remove", "quarantine", "readmit", "unsure", WITHDRAW)
"""What can be decided: the label is right, it is another one, the sample goes, it waits apart, it
comes back, nobody knows, or what the reviewer said before no longer counts."""


@dataclass(frozen=True)
class Decision:
    """What one reviewer decided of one sample.

    Attributes:
        sample: Id of the sample.
        action: One of `ACTIONS`.
        reviewer: Who decided.
        label: The right label, for ``relabel``.
        reason: Why, in the reviewer's words.
        confidence: How sure the reviewer is, in 0..1; None where it was not asked.
        decided_at: When, UTC in ISO 8601; now by default.
        source: Where the decision was made ("review", "label-studio", "argilla", "csv",
            "python").
    """

    sample: str
    action: str
    reviewer: str
    label: str | None = None
    reason: str = ""
    confidence: float | None = None
    decided_at: str = ""
    source: str = "python"

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise InputError(
                f"a decision among {', '.join(ACTIONS)} for the sample {self.sample!r}",
                repr(self.action),
                "Correct it",
            )
        if (self.action == "relabel") != (self.label is not None):
            got = f"{self.action!r} with the label {self.label!r}"
            raise InputError("a label for 'relabel', and for nothing else", got, "Correct it")
        if not self.reviewer:
            raise InputError(
                f"the reviewer of the sample {self.sample!r}", "nobody", "Say who decided"
            )
        if self.confidence is not None and not 0 <= self.confidence <= 1:
            raise InputError("a confidence in 0..1", str(self.confidence), "Divide it by 100?")
        object.__setattr__(self, "decided_at", utc(self.decided_at))


def utc(moment: str) -> str:
    """The moment in UTC as ISO 8601 to the microsecond; now where it is empty.

    Raises:
        InputError: A text that is no moment.
    """
    if not moment:
        return datetime.now(UTC).isoformat(timespec="microseconds")
    try:
        parsed = datetime.fromisoformat(moment)
    except ValueError as error:
        raise InputError(
            "a date and time in ISO 8601", repr(moment), "Write it like 2025-03-31T12:00:00Z"
        ) from error
    parsed = parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    return parsed.isoformat(timespec="microseconds")


def latest(decisions: pd.DataFrame) -> pd.DataFrame:
    """The last decision of every reviewer on every sample; earlier ones were thought better of.

    Where the last word is that an earlier one was withdrawn, there is none.

    Args:
        decisions: Rows with sample, reviewer, decided_at and seq.
    """
    ordered = decisions.sort_values(["decided_at", "seq", "position"], kind="stable")
    last = ordered.drop_duplicates(["sample", "reviewer"], keep="last")
    return last[last["action"] != WITHDRAW].sort_values(
        ["sample", "reviewer"], kind="stable", ignore_index=True
    )


def consensus(decisions: pd.DataFrame) -> pd.DataFrame:
    """What the reviewers together say, one row a sample.

    Args:
        decisions: As `latest` gives them.

    Returns:
        Columns ``sample``; ``reviewers``, how many; ``agreed``, whether all say the same;
        ``action`` and ``label`` of more than half of them, missing where there is no such
        majority; ``votes``, who said what.
    """
    rows = []
    for sample, group in decisions.groupby("sample", sort=True):
        verdicts = list(zip(group["action"], group["label"].fillna(""), strict=True))
        counts = pd.Series(verdicts).value_counts()
        action, label = counts.index[0] if 2 * counts.iloc[0] > len(verdicts) else (None, None)
        votes = "; ".join(
            f"{who}: {_told(*verdict)}"
            for who, verdict in zip(group["reviewer"], verdicts, strict=True)
        )
        rows.append((sample, len(verdicts), len(counts) == 1, action, label or None, votes))
    columns = ["sample", "reviewers", "agreed", "action", "label", "votes"]
    return pd.DataFrame(rows, columns=columns)


def disagreements(decisions: pd.DataFrame) -> pd.DataFrame:
    """The samples on which reviewers do not say the same; columns as of `consensus`."""
    joint = consensus(decisions)
    return joint[~joint["agreed"].astype(bool)].reset_index(drop=True)


def check_samples(decisions: Iterable[Decision], known: Iterable[str]) -> None:
    """Refuse decisions on samples that the run does not have.

    Raises:
        InputError: At least one is unknown.
    """
    samples = {decision.sample for decision in decisions}
    unknown = sorted(samples - set(known))
    if unknown:
        raise InputError(
            "decisions on samples of this run",
            f"{len(unknown)} of {len(samples)} on others, such as {unknown[0]!r}",
            "Name the run from which the tasks were exported",
        )


def _told(action: str, label: str) -> str:
    return f"{action} to {label}" if label else action
