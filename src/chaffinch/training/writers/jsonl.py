"""One line an epoch, and one an alarm, in a file of JSON lines."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from chaffinch.training.alarms import Alarm
from chaffinch.training.diagnostics.snapshot import Snapshot


class JSONLWriter:
    """Appends ``{"epoch": 1, "numbers": {...}}`` and ``{"epoch": 1, "alarm": {...}}``.

    Lines are only ever added; numbers that are not finite are null, which JSON can hold.

    Args:
        path: The file; its folder is made if it is not there.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._told = 0

    def show(self, history: Sequence[Snapshot], alarms: Sequence[Alarm]) -> None:
        """Append the latest epoch and the alarms that are new."""
        now = history[-1]
        numbers = {name: _plain(value) for name, value in now.scalars().items()}
        lines: list[dict[str, Any]] = [{"epoch": now.epoch + 1, "numbers": numbers}]
        new = alarms[self._told :]
        lines += [{"epoch": one.epoch + 1, "alarm": _finite(one.to_dict())} for one in new]
        self._told = len(alarms)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(text)

    def close(self) -> None:
        """Nothing: every epoch is on disk."""


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _finite(alarm: dict[str, Any]) -> dict[str, Any]:
    # Epochs are counted from 1 in the whole file.
    values = {name: _plain(value) for name, value in alarm["values"].items()}
    return {**alarm, "epoch": alarm["epoch"] + 1, "values": values}
