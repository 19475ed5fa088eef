"""Results on disk: one small file for each cell and method, so that a run goes on where it was."""

import json
import math
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from benchmarks.cell import Cell
from benchmarks.experiment import EXPERIMENTS, Measurement


@dataclass(frozen=True)
class Part:
    """What was measured for one method in one cell, and how long the whole call took."""

    measurements: tuple[Measurement, ...]
    seconds: float


class CellFolder:
    """Where the results of a cell are kept, beside what its experiment keeps for itself.

    A part is written whole or not at all. A new version of the experiment has another folder.

    Args:
        cache: Folder of all cells.
        cell: The cell.
    """

    def __init__(self, cache: Path, cell: Cell) -> None:
        version = EXPERIMENTS[cell.experiment].version
        self.path = cache / f"{cell.experiment}-{version}" / cell.key

    @property
    def kept(self) -> Path:
        """What the experiment does not want to compute again."""
        return self.path / "kept"

    @property
    def log(self) -> Path:
        """What was printed while the cell was measured."""
        return self.path / "log.txt"

    def missing(self, methods: Sequence[str]) -> list[str]:
        """The methods without a part."""
        return [name for name in methods if not self._file(name).is_file()]

    def forget(self, methods: Sequence[str]) -> None:
        """Drop the parts of some methods and all that the experiment kept."""
        for name in methods:
            self._file(name).unlink(missing_ok=True)
        shutil.rmtree(self.kept, ignore_errors=True)

    def describe(self, cell: Cell) -> None:
        """Leave word of what the folder holds."""
        self.kept.mkdir(parents=True, exist_ok=True)
        _replace(self.path / "cell.json", cell.model_dump_json(indent=1))

    def write(self, method: str, measurements: Iterable[Measurement], seconds: float) -> None:
        """Keep what was measured for a method."""
        rows = [[one.metric, _null(one.value), one.group, _null(one.x)] for one in measurements]
        text = json.dumps({"method": method, "seconds": seconds, "measurements": rows})
        self._file(method).parent.mkdir(parents=True, exist_ok=True)
        _replace(self._file(method), text)

    def read(self, method: str) -> Part | None:
        """What was measured for a method, or None."""
        if not self._file(method).is_file():
            return None
        content = json.loads(self._file(method).read_text("utf-8"))
        measurements = tuple(
            Measurement(method, metric, _number(value), group, _number(x))
            for metric, value, group, x in content["measurements"]
        )
        return Part(measurements, content["seconds"])

    def _file(self, method: str) -> Path:
        return self.path / "parts" / f"{quote(method, safe=' ')}.json"


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(text, "utf-8")
    os.replace(draft, path)


def _null(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _number(value: float | None) -> float:
    return math.nan if value is None else value
