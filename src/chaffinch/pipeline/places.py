"""Where each sample lies: its position in the data, and its file."""

import os
from collections.abc import Sequence
from pathlib import Path

from chaffinch.core.dataset import Dataset
from chaffinch.core.findings import Findings
from chaffinch.data.file import is_url


def with_places_in(
    findings: Findings,
    data: Dataset | None,
    location: str | None,
    rows: Sequence[int] | None = None,
) -> Findings:
    """The findings with ``row`` and ``source``.

    Args:
        findings: Of N samples.
        data: All samples, open; None where they are not known.
        location: Path or URL at which they lie; None or "" for data in memory.
        rows: (N,) position of each sample of the findings in the data; by default they are in the
            same order.
    """
    rows = range(len(findings)) if rows is None else rows
    if data is None:
        return findings.placed(rows, [""] * len(findings))
    files, first = getattr(data, "files", None), getattr(data, "first_rows", None)
    told = (_source(row, files, location or "", first) for row in rows)
    return findings.placed(rows, told)


def _source(
    row: int, files: Sequence[str] | None, location: str, first: Sequence[int] | None = None
) -> str:
    if files:
        return _below(files[row], location)
    if not location:
        return ""
    return f"{os.path.basename(location.rstrip('/'))}:{row if first is None else first[row]}"


def _below(file: str, location: str) -> str:
    """The path of a file from the folder of the data; as it is where it lies elsewhere."""
    if not location or is_url(location):
        return Path(file).as_posix()
    root = location if os.path.isdir(location) else os.path.dirname(location)
    path = os.path.relpath(os.path.abspath(file), root)
    return Path(file if path.startswith("..") else path).as_posix()
