"""What `chaffinch check` found in the same data, where its result lies in the run folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaffinch.core.parsing import parse_json
from chaffinch.report import wording

CHECKS = (Path("issues.json"), Path("check", "issues.json"))
"""Where a report looks for the result, from the run folder: ``check DATA --out RUN/check``."""

_MOST_NAMED = 5


@dataclass(frozen=True)
class Issue:
    """One issue of the data: its severity, name, count with unit, description and remedy."""

    severity: str
    name: str
    count: str
    description: str
    examples: str
    remedy: str


@dataclass(frozen=True)
class Checked:
    """All issues, the most severe first, of so many samples by so many checks."""

    samples: int
    checks: int
    issues: tuple[Issue, ...]


def read_checks(folder: Path) -> Checked | None:
    """Read the result of a check; None where there is none that can be read.

    Args:
        folder: Of the run.
    """
    for place in CHECKS:
        file = folder / place
        if file.is_file():
            try:
                told = parse_json(file.read_text("utf-8"))
                issues = tuple(_issue(one) for one in told["issues"])
                return Checked(int(told["samples"]), len(told["checked"]), issues)
            except (OSError, ValueError, TypeError, KeyError, AttributeError):
                return None  # somebody else's file of that name
    return None


def _issue(one: dict[str, Any]) -> Issue:
    count = wording.count(one["count"])
    named = [*one.get("names", ()), *one.get("examples", ())][:_MOST_NAMED]
    return Issue(
        wording.clean(one["severity"]),
        wording.clean(str(one["issue"]).replace("_", " ")),
        "the data set" if one["unit"] == "data set" else f"{count} {wording.clean(one['unit'])}",
        wording.clean(one["description"]),
        ", ".join(" ".join(wording.clean(name).split()) for name in named),
        wording.clean(one["remedy"]),
    )
