"""What answers of people changed, in words that report and review page share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chaffinch.report import wording


@dataclass(frozen=True)
class Told:
    """What answers changed.

    Attributes:
        title: A heading.
        facts: (name, figure, meaning), the most important first.
        more: What more answers would bring, one sentence each.
    """

    title: str
    facts: tuple[tuple[str, str, str], ...]
    more: tuple[str, ...]


def told(calibration: Mapping[str, Any] | None) -> Told | None:
    """Put ``details["calibration"]`` of findings into words; None where nobody answered."""
    if not calibration:
        return None
    before, after = calibration["before"], calibration["after"]
    low, high = calibration["low"], calibration["high"]
    answers = int(calibration["answers"])
    checked = f"{calibration['wrong']:g} of them had a wrong label"
    if calibration["undecided"]:
        checked += f"; of {wording.count(calibration['undecided'])} more nobody could tell"
    interval = (
        f"between {wording.percent(low)} and {wording.percent(high)} with probability "
        f"{wording.share(calibration['level'])}"
    )
    facts = [
        ("Checked", wording.count(answers), checked),
        ("Wrong labels", wording.percent(calibration["rate"]), interval),
        ("Flagged", _change(before["flagged"], after["flagged"]), "before and after the answers"),
        (
            "Wrong labels expected",
            _change(before["estimated_errors"], after["estimated_errors"]),
            "in the whole set, before and after the answers",
        ),
    ]
    agreement = calibration["agreement"]
    if agreement:
        facts.append(
            (
                "Reviewers agree",
                wording.share(agreement["share"]),
                f"on {wording.count(agreement['samples'])} samples that several looked at (Cohen's "
                f"kappa {agreement['kappa']:.2f}); who often stands alone counts less",
            )
        )
    more = tuple(
        f"With {wording.count(one['answers'])} more answers the interval would be about "
        f"{wording.percent(one['width'])} wide instead of {wording.percent(high - low)}."
        for one in calibration["more"]
    )
    plural = "" if answers == 1 else "s"
    return Told(f"What {wording.count(answers)} answer{plural} changed", tuple(facts), more)


def _change(before: float, after: float) -> str:
    return f"{wording.count(before)} → {wording.count(after)}"
