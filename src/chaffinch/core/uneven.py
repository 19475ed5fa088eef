"""Rows of a delimited text that have more or fewer cells than its header."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

from chaffinch.core.errors import InputError

_TOLD = 3


@dataclass(frozen=True)
class Uneven:
    """Rows of another length than the header.

    Attributes:
        width: Cells of the header.
        count: How many rows there are.
        first: The first of them: the line in which each begins, from 1, and its cells.
    """

    width: int
    count: int = 0
    first: tuple[tuple[int, int], ...] = ()

    def __str__(self) -> str:
        told = [
            f"line {line} has {cells} cell{'' if cells == 1 else 's'}" for line, cells in self.first
        ]
        more = ", ..." if self.count > len(told) else ""
        return f"{self.count:,} row{'' if self.count == 1 else 's'} ({', '.join(told)}{more})"

    def plus(self, line: int, cells: int) -> "Uneven":
        """With one more row."""
        first = (*self.first, (line, cells)) if self.count < _TOLD else self.first
        return Uneven(self.width, self.count + 1, first)


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def uneven_rows(lines: Iterable[str], separator: str) -> tuple[Uneven, Uneven]:
    """The rows that are shorter than the header, and those that are longer.

    Args:
        lines: Of the text, with their ends, the header first. Blank lines are no rows.
        separator: Between the cells.
    """
    reader = csv.reader(lines, delimiter=separator)
    short = longer = Uneven(0)
    begin = 1
    try:
        for cells in reader:
            line, begin = begin, reader.line_num + 1
            if not cells or (len(cells) == 1 and not cells[0].strip()):
                continue
            if not short.width:
                short = longer = Uneven(len(cells))
            elif len(cells) < short.width:
                short = short.plus(line, len(cells))
            elif len(cells) > longer.width:
                longer = longer.plus(line, len(cells))
    except csv.Error:  # a cell longer than the module allows: what follows is not counted
        pass
    return short, longer


def need_no_longer(text: str, separator: str, name: str) -> None:
    """Refuse a text of which cells would be lost.

    Raises:
        InputError: Rows with more cells than the header.
    """
    longer = uneven_rows(io.StringIO(text, newline=""), separator)[1]
    if longer.count:
        raise too_long(longer, name)


def too_long(longer: Uneven, name: str) -> InputError:
    """The error that names rows with more cells than the header."""
    return InputError(
        f"rows with as many cells as the header ({longer.width}) in {name}",
        f"more in {longer}",
        "Put cells that hold the separator in double quotes, or name another separator by --sep",
    )
