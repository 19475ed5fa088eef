"""Progress bars with remaining time on standard error; silent when it is not a terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Step(Protocol):
    """Called with how many units of work were just finished."""

    def __call__(self, units: int = 1, /) -> None:
        """Move the bar on by ``units``."""
        ...


_SILENT: ContextVar[bool] = ContextVar("silent", default=False)


@contextmanager
def silent(is_silent: bool = True) -> Iterator[None]:
    """Show no progress inside of the block, where ``is_silent``."""
    token = _SILENT.set(is_silent)
    try:
        yield
    finally:
        _SILENT.reset(token)


@contextmanager
def track(description: str, total: int) -> Iterator[Step]:
    """Show a bar for ``total`` units of work.

    Example:
        >>> with track("scoring", total=3) as advance:
        ...     for _ in range(3):
        ...         advance()
    """
    if _SILENT.get() or not sys.stderr.isatty():
        yield lambda _units=1: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("elapsed,"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(description, total=total)
        yield lambda units=1: progress.advance(task, units)
