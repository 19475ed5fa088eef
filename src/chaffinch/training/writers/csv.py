"""One row an epoch in a CSV file."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from chaffinch.store.run import write_text
from chaffinch.training.alarms import Alarm
from chaffinch.training.diagnostics.snapshot import Snapshot


class CSVWriter:
    """Writes all single numbers of each epoch; the file is replaced as a whole.

    Rows of earlier epochs that the file holds already stay, so a training that goes on goes on in
    the same file. Numbers that come up later get a column of their own, empty before.

    Args:
        path: The file; its folder is made if it is not there.
    """

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._rows: dict[int, dict[str, str]] | None = None

    def show(self, history: Sequence[Snapshot], alarms: Sequence[Alarm]) -> None:
        """Write the latest epoch."""
        now = history[-1]
        rows = self._read() if self._rows is None else self._rows
        # An epoch that is trained again after a restart takes the place of what followed it.
        rows = {epoch: row for epoch, row in rows.items() if epoch < now.epoch + 1}
        raised = "; ".join(one.name for one in alarms if one.epoch == now.epoch)
        numbers = {name: f"{value:.10g}" for name, value in now.scalars().items()}
        rows[now.epoch + 1] = {"epoch": str(now.epoch + 1), "alarms": raised, **numbers}
        self._rows = rows
        columns = dict.fromkeys(name for row in rows.values() for name in row)
        text = io.StringIO()
        writer = csv.DictWriter(text, list(columns), restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows.values())
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_text(self._path, text.getvalue())

    def close(self) -> None:
        """Nothing: every epoch is on disk."""

    def _read(self) -> dict[int, dict[str, str]]:
        if not self._path.is_file():
            return {}
        with self._path.open(encoding="utf-8", newline="") as file:
            return {int(row["epoch"]): dict(row) for row in csv.DictReader(file)}
