"""Where the figures come from, and how to get at them again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaffinch.report import wording
from chaffinch.store.run import FINDINGS, RunRecord

Pairs = tuple[tuple[str, str], ...]

_LONGEST = 400
_ELSEWHERE = ("canaries", "rates", "group_shift")


@dataclass(frozen=True)
class Provenance:
    """Everything needed to understand and repeat a run, as (name, value) pairs of text."""

    run: Pairs
    configuration: Pairs
    versions: Pairs
    timings: Pairs
    details: Pairs
    snippet: str


def trace(record: RunRecord, folder: Path) -> Provenance:
    """Collect the provenance of the run in ``folder``."""
    total = sum(record.timings.values())
    timings = [(_name(stage), wording.duration(time)) for stage, time in record.timings.items()]
    if len(timings) > 1:
        timings.append(("total", wording.duration(total)))
    return Provenance(
        run=(
            ("Chaffinch", wording.clean(record.chaffinch)),
            ("Finished", wording.moment(record.created)),
            ("Data", wording.clean(record.data.source)),
            ("Data fingerprint", wording.clean(record.data.fingerprint)),
            ("Seed", str(record.seed)),
            ("Device", wording.clean(record.device)),
        ),
        configuration=_flat(record.configuration),
        versions=tuple((wording.clean(k), wording.clean(v)) for k, v in record.versions.items()),
        timings=tuple(timings),
        details=_flat(_figures(record.judgement.details)),
        snippet=_snippet(folder / FINDINGS),
    )


def _snippet(path: Path) -> str:
    literal = json.dumps(wording.clean(path.as_posix()), ensure_ascii=False)
    return (
        "import pandas as pd\n\n"
        f"findings = pd.read_parquet({literal})\n"
        'worst = findings[findings["flagged"]].sort_values("suspicion", ascending=False)'
    )


def _figures(details: Mapping[str, Any]) -> dict[str, Any]:
    """Details without what has a section of its own."""
    return {name: one for name, one in details.items() if name not in _ELSEWHERE}


def _flat(values: Mapping[str, Any], prefix: str = "") -> Pairs:
    """Nested settings as one list, the levels joined by dots."""
    pairs: list[tuple[str, str]] = []
    for key, value in values.items():
        name = prefix + _name(key)
        if isinstance(value, Mapping) and value:
            pairs += _flat(value, name + " · ")
        else:
            pairs.append((name, _value(value)))
    return tuple(pairs)


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return wording.clip(wording.clean(text), _LONGEST)


def _name(key: object) -> str:
    return wording.clean(key).replace("_", " ")
