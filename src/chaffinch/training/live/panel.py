"""The live panel: the training so far in a terminal, in place of a page."""

import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from chaffinch.report import wording
from chaffinch.training.alarms import Alarm
from chaffinch.training.diagnostics.snapshot import Snapshot
from chaffinch.training.live.headline import headline

_RUST = "rgb(214,120,76)"
_SLATE = "rgb(110,140,168)"
_BLOCKS = "▁▂▃▄▅▆▇█"
_MOST_ALARMS = 4
_WIDTH = 24


class LivePanel:
    """Shows a panel on standard error that is drawn afresh after each epoch.

    Args:
        console: Where to draw; standard error where left out. Nothing is drawn if it is not a
            terminal.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, file=None if console else sys.stderr)
        self._live: Live | None = None

    def show(self, history: Sequence[Snapshot], alarms: Sequence[Alarm]) -> None:
        """Draw the panel."""
        if not self._console.is_terminal:
            return
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False)
            self._live.start()
        self._live.update(panel(history, alarms), refresh=True)

    def close(self) -> None:
        """Leave the last panel on the screen."""
        if self._live is not None:
            self._live.stop()
            self._live = None


def panel(history: Sequence[Snapshot], alarms: Sequence[Alarm]) -> Panel:
    """The panel of a training so far.

    Args:
        history: Snapshots of the epochs so far, at least one.
        alarms: All alarms so far.
    """
    now = history[-1]
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style=_SLATE, no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(no_wrap=True, style=_SLATE)
    for name, said, values in _rows(history):
        grid.add_row(name, said, sparkline(values))
    lines: list[Any] = [grid]
    for one in sorted(alarms, key=lambda one: (one.severity == "note", -one.epoch))[:_MOST_ALARMS]:
        style = _RUST if one.severity == "warning" else _SLATE
        text = Text(f"epoch {one.epoch + 1}  ", style=style)
        lines.append(text.append(wording.clean(one.reason), style="default"))
    if len(alarms) > _MOST_ALARMS:
        lines.append(Text(f"and {len(alarms) - _MOST_ALARMS} more", style=_SLATE))
    epoch, said = headline(now, alarms)
    title = Text(f"{epoch}: {said}", style="bold")
    return Panel(Group(*lines), title=title, title_align="left", border_style=_SLATE)


def _rows(history: Sequence[Snapshot]) -> list[tuple[str, str, list[float]]]:
    now = history[-1]
    rows = [
        ("loss", f"{now.loss:.3g}", [one.loss for one in history]),
        ("labels met", wording.percent(now.accuracy), [one.accuracy for one in history]),
    ]
    if now.validation:
        values = [one.validation.accuracy for one in history if one.validation]
        rows.append(("validation", wording.percent(values[-1]), values))
    if now.noise:
        values = [one.noise.rate for one in history if one.noise]
        rows.append(("resist learning", wording.percent(values[-1]), values))
    for name in ("trusted", "suspected") if now.curve else ():
        values = [getattr(point, name).met for point in now.curve]
        rows.append((f"{name} met", wording.percent(values[-1]), values))
    return rows


def sparkline(values: Sequence[float]) -> str:
    """The latest 24 values as blocks from the lowest to the highest; gaps where not finite."""
    latest = list(values)[-_WIDTH:]
    finite = [value for value in latest if abs(value) < float("inf")]
    if not finite:
        return ""
    low, span = min(finite), (max(finite) - min(finite)) or 1.0
    top = len(_BLOCKS) - 1
    return "".join(
        _BLOCKS[round((value - low) / span * top)] if abs(value) < float("inf") else " "
        for value in latest
    )
