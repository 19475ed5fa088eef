"""How many labels are wrong, at least and at most, and whether that can be told at all."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WAY_OUT = (
    "Check 30 samples (findings.to_check(30), or chaffinch calibrate RUN), or try another model or "
    "more epochs."
)
CANNOT_TELL = (
    "Hardly any sample is flagged, but that is no sign that labels are right: the predictions "
    "contradict many more labels and cannot tell whether these are wrong or ambiguous. If each "
    f"sample has one right class, use assume='crisp'; if not, assume='graded'. {WAY_OUT}"
)

_LEAST = 5e-4
_HARDLY_ANY = 0.01
_MANY, _MANY_TIMES = 0.02, 3


@dataclass(frozen=True)
class RateRange:
    """Shares of wrong labels in the whole set, each in 0..1.

    Attributes:
        low: The least that the evidence demands, or the lower end by answers.
        high: What it may be under the other assumption on labels, or the upper end by answers.
        taken: The estimate that flags and suspicions follow.
        told: Whether the evidence tells which of them it is.
    """

    low: float
    high: float
    taken: float
    told: bool = True

    @classmethod
    def of(cls, details: Mapping[str, Any], taken: float) -> "RateRange | None":
        """Read it from the details of findings; None where they hold none.

        Args:
            details: Those of `Findings`, or of ``run.json``.
            taken: Estimated share of wrong labels.
        """
        answers = details.get("calibration")
        if isinstance(answers, Mapping):
            return cls(answers["low"], answers["high"], answers["rate"])
        found = details.get("rate_range")
        if found is None:
            return None
        low, high = min(found[0], taken), max(found[1], taken)
        return cls(low, high, taken, not details.get("cannot_tell", False))

    def is_open(self, flagged: float) -> bool:
        """Whether it cannot be told if labels are wrong: hardly any is flagged, but many may be.

        Args:
            flagged: Share of samples that is flagged.
        """
        many = self.high > _MANY and self.high > _MANY_TIMES * self.taken
        return many and flagged < _HARDLY_ANY

    @property
    def span(self) -> str:
        """The range in words: ``between 1.3% and 9.0%``."""
        low, high = _percent(self.low), _percent(self.high)
        if low == high:
            return f"about {high}"
        return f"between {low} and {high}" if self.low >= _LEAST else f"up to {high}"

    @property
    def words(self) -> str:
        """All of it, without a capital letter and without a full stop."""
        if not self.told:
            unknown = "cannot tell how many labels are wrong"
            return unknown if self.high >= 1 else f"{unknown}: {self.span} may be"
        return f"{self.span} of labels may be wrong; {_percent(self.taken)} taken"


def _percent(share: float) -> str:
    return "<0.1%" if 0 < share < _LEAST else f"{share:.1%}"
