"""Tables in Markdown."""

from collections.abc import Iterable


def table_line(cells: Iterable[object]) -> str:
    """A line of a table; bars in the cells are escaped."""
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def table(heading: Iterable[object], rows: Iterable[Iterable[object]]) -> str:
    """A whole table."""
    heads = list(heading)
    return "\n".join([table_line(heads), table_line(["---"] * len(heads)), *map(table_line, rows)])
