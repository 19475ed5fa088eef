"""The path of a report, which a notebook shows as the report itself."""

from html import escape
from pathlib import Path

_HEIGHT = 820


class ShownReport(type(Path())):  # type: ignore[misc]  # a path of whatever system this is
    """A path like any other."""

    def _repr_html_(self) -> str:
        # Without the rights of the notebook: its scripts run, and reach nothing outside the frame.
        page = escape(self.read_text("utf-8"))
        return (
            f'<iframe title="Report" sandbox="allow-scripts" srcdoc="{page}" '
            f'style="width:100%;height:{_HEIGHT}px;border:1px solid #8886"></iframe>'
        )
