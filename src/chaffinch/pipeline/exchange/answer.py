"""One answer of one reviewer, as any tool gives it."""

from dataclasses import dataclass

from chaffinch.store.decision import Decision


@dataclass(frozen=True)
class Answer:
    """What a reviewer said of a sample.

    Attributes:
        sample: Id of the sample.
        label: The class that the reviewer chose; None where none was chosen.
        action: What the reviewer chose besides; None leaves it to the label.
        reason: Why.
        reviewer: Name, or what the tool knows the reviewer by; "" where it does not say.
        confidence: In 0..1, where it was asked.
        decided_at: ISO 8601; "" where the tool does not say.
        run: The run for which the task was made, where the tool kept it.
    """

    sample: str
    label: str | None = None
    action: str | None = None
    reason: str = ""
    reviewer: str = ""
    confidence: float | None = None
    decided_at: str = ""
    run: str | None = None

    def decision(self, given: str, source: str) -> Decision:
        """As a decision: a label other than the given one is ``relabel``, the same one ``keep``.

        Args:
            given: The given label of the sample.
            source: Where the answer came from.
        """
        action = self.action
        if action in (None, "", "keep", "relabel") and self.label:
            action = "keep" if str(self.label) == given else "relabel"
        return Decision(
            self.sample,
            action or "",
            self.reviewer,
            label=str(self.label) if action == "relabel" and self.label else None,
            reason=self.reason,
            confidence=self.confidence,
            decided_at=self.decided_at,
            source=source,
        )
