"""CSV files row by row, so that rows that nobody touched keep every byte."""

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from chaffinch.core.errors import InputError
from chaffinch.data.written import find_separator

_BOM = "\ufeff"


@dataclass(frozen=True)
class CsvRows:
    """A CSV file, cut into records as they stand.

    Attributes:
        mark: The byte order mark, or "".
        header: The first record, with its line end.
        names: The columns.
        records: The other records, each with its line end.
        separator: Between cells.
        line_end: Of the first record.
    """

    mark: str
    header: str
    names: list[str]
    records: list[str]
    separator: str
    line_end: str

    @classmethod
    def parse(cls, text: str, usual: str, given: str | None = None) -> "CsvRows":
        """Cut a text at the separator that was given, or as the readers of tables do."""
        mark = _BOM if text.startswith(_BOM) else ""
        separator = given or find_separator(text.removeprefix(_BOM), usual)
        found = _cut(text[len(mark) :], separator)
        if not found:
            raise InputError("a header and rows", "an empty file", "Check it")
        header = found[0][0]
        end = header[len(header.rstrip("\r\n")) :] or "\n"
        return cls(mark, header, found[0][1], [raw for raw, _ in found[1:]], separator, end)

    def with_cells(self, row: int, cells: dict[str, str]) -> str:
        """The record ``row`` with other cells in some columns."""
        values = self._cells(row)
        for name, value in cells.items():
            values[self.names.index(name)] = value
        return self.write(values)

    def cell(self, row: int, name: str) -> str:
        """The text of one cell."""
        return self._cells(row)[self.names.index(name)]

    def columns_with(self, sign: str) -> set[str]:
        """The columns of which a cell holds a sign."""
        found: set[str] = set()
        for row in range(len(self.records)):
            cells = zip(self.names, self._cells(row), strict=False)
            found |= {name for name, cell in cells if sign in cell}
        return found

    def _cells(self, row: int) -> list[str]:
        """As many as there are columns; those that a short record lacks are empty."""
        found = self._split(self.records[row])
        return found + [""] * (len(self.names) - len(found))

    def _split(self, record: str) -> list[str]:
        lines = io.StringIO(record, newline="")
        with _long_cells():
            return next(csv.reader(lines, delimiter=self.separator))

    def write(self, values: list[str]) -> str:
        """One record of these cells."""
        buffer = io.StringIO(newline="")
        writer = csv.writer(buffer, delimiter=self.separator, lineterminator=self.line_end)
        writer.writerow(values)
        return buffer.getvalue()

    def longer(self, record: str, cells: list[str]) -> str:
        """A record with further cells at its end; what is there keeps every byte."""
        body = record.rstrip("\r\n")
        quoted = '"' in record
        present = len(self._split(record)) if quoted else body.count(self.separator) + 1
        lacking = len(self.names) - present
        return body + self.separator * (1 + max(0, lacking)) + self.write(cells)


def _cut(text: str, separator: str) -> list[tuple[str, list[str]]]:
    """The records as they stand, and their cells; empty lines are no records."""
    lines = list(io.StringIO(text, newline=""))
    reader = csv.reader(lines, delimiter=separator)
    found, begun = [], 0
    with _long_cells():
        for cells in reader:
            raw = "".join(lines[begun : reader.line_num])
            begun = reader.line_num
            if cells:
                found.append((raw, cells))
    return found


@contextmanager
def _long_cells() -> Iterator[None]:
    """Let a cell hold a long text; the module's limit of 131,072 signs is for everybody."""
    before = csv.field_size_limit(2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)
