"""The live page: one HTML file that is written afresh after each epoch and reloads by itself."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from chaffinch.core.errors import InputError
from chaffinch.report import wording
from chaffinch.store.run import write_text
from chaffinch.training.alarms import Alarm
from chaffinch.training.diagnostics.quality import GroupQuality
from chaffinch.training.diagnostics.snapshot import Snapshot
from chaffinch.training.live.chart import Chart, Values, draw_heaps, draw_lines
from chaffinch.training.live.headline import headline

_MOST_ROWS = 12
_RUNNING = "The page reloads by itself."


@dataclass(frozen=True)
class LivePage:
    """Writes a page that shows the training so far; open it once, it reloads by itself.

    The page holds all it shows, calls nothing from outside and runs no script. It is replaced as a
    whole, so a reload never meets half a page.

    Args:
        path: The HTML file; its folder is made if it is not there.
        title: Said at the top; the name of the file where left out.
        seconds: Between two reloads while the training runs.

    Raises:
        InputError: ``seconds`` below 1.
    """

    path: Path | str
    title: str = ""
    seconds: int = 5

    def __post_init__(self) -> None:
        if self.seconds < 1:
            raise InputError("seconds >= 1", str(self.seconds), "Give whole seconds")

    def show(self, history: Sequence[Snapshot], alarms: Sequence[Alarm]) -> None:
        """Write the page."""
        self._write(render(history, alarms, self._title, self.seconds))

    def close(self) -> None:
        """Let the page reload no more."""
        path = Path(self.path)
        if path.is_file():
            text = path.read_text("utf-8").replace(_reload(self.seconds), "")
            self._write(text.replace(_RUNNING, "The training has ended."))

    @property
    def _title(self) -> str:
        return self.title or Path(self.path).stem

    def _write(self, text: str) -> None:
        path = Path(self.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)


def render(
    history: Sequence[Snapshot], alarms: Sequence[Alarm], title: str, seconds: int = 5
) -> str:
    """The page of a training so far.

    Args:
        history: Snapshots of the epochs so far, at least one.
        alarms: All alarms so far.
        title: Said at the top.
        seconds: Between two reloads.

    Returns:
        A whole HTML document; the same history gives the same text.
    """
    now = history[-1]
    html = (
        _environment()
        .get_template("watch.html.j2")
        .render(
            title=title,
            headline=headline(now, alarms),
            calm=all(one.severity == "note" for one in alarms),
            running=_RUNNING,
            now=now,
            facts=_facts(history),
            alarms=sorted(alarms, key=lambda one: (one.severity == "note", -one.epoch)),
            charts=_charts(history),
            heaps=draw_heaps(now.spread),
            tables=_tables(now),
            style=_static("style.css") + _static("figure.css") + _static("watch.css"),
            reload=Markup(_reload(seconds)),
        )
    )
    return html.encode("utf-8", "replace").decode("utf-8")


def _reload(seconds: int) -> str:
    return f'<meta http-equiv="refresh" content="{seconds}">'


def _facts(history: Sequence[Snapshot]) -> list[tuple[str, str, str]]:
    """Name, figure and meaning of the first things to know."""
    now = history[-1]
    facts = [
        ("Loss", _loss(now.loss), "mean cross-entropy with the given labels"),
        ("Labels met", wording.percent(now.accuracy), "when the sample's turn came"),
    ]
    if now.validation:
        means = f"of {now.validation.count:,} samples, at a loss of {_loss(now.validation.loss)}"
        facts.append(("Validation", wording.percent(now.validation.accuracy), means))
    found = [one for one in history if one.noisy] or [now]
    best = max(found, key=lambda one: one.noise.evidence if one.noise else 0.0)
    if best.noise:
        # Later estimates are lower, as the model has begun to memorise.
        means = f"of all labels, as seen in epoch {best.epoch + 1}"
        facts.append(("Resist learning", wording.percent(best.noise.rate), means))
    if now.concentration:
        said = wording.percent(now.concentration.share)
        facts.append(("Half of the gradient", said, "of the samples carry it"))
    return facts


def _loss(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else wording.percent(value)


def _charts(history: Sequence[Snapshot]) -> list[Chart]:
    drawn = [*_side_charts(history[-1]), *_epoch_charts(history)]
    return [chart for chart in drawn if chart]


def _side_charts(now: Snapshot) -> list[Chart | None]:
    """Trusted and suspected samples, once some were set aside."""

    def sides(name: str) -> dict[str, Values]:
        return {
            side: [(point.epoch, getattr(getattr(point, side), name)) for point in now.curve]
            for side in ("trusted", "suspected")
        }

    return [
        draw_lines(
            "Loss of both sides",
            "Trusted labels are learned first. Where the suspected ones follow, the model has "
            "begun to learn them by heart.",
            sides("loss"),
            shares=False,
        ),
        draw_lines(
            "Given labels that the model agrees with",
            "Wrong labels are disagreed with until they are memorised.",
            sides("met"),
            shares=True,
        ),
    ]


def _epoch_charts(history: Sequence[Snapshot]) -> list[Chart | None]:
    """All samples, from the first epoch on."""

    def each(take: Any) -> Values:
        return [(one.epoch, take(one)) for one in history if take(one) is not None]

    return [
        draw_lines(
            "Accuracy",
            "Against the given labels, wrong ones included.",
            {
                "training": each(lambda one: one.accuracy),
                "validation": each(lambda one: one.validation and one.validation.accuracy),
            },
            shares=True,
        ),
        draw_lines(
            "Labels that resist learning",
            "An estimate of the share of wrong labels; it falls once they are memorised.",
            {"estimate": each(lambda one: one.noise and one.noise.rate)},
            shares=True,
        ),
    ]


def _tables(now: Snapshot) -> list[tuple[str, list[GroupQuality], int]]:
    """Sources and classes: title, those with the fewest labels met, and how many there are."""
    named = (("By source", now.groups), ("By class", now.classes))
    return [
        (title, sorted(rows, key=lambda one: one.accuracy)[:_MOST_ROWS], len(rows))
        for title, rows in named
        if rows
    ]


def _static(name: str) -> Markup:
    environment = _environment()
    if environment.loader is None:
        raise LookupError(name)
    return Markup(environment.loader.get_source(environment, name)[0])


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=ChoiceLoader(
            [PackageLoader("chaffinch.training.live"), PackageLoader("chaffinch.report")]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {
        "clean": wording.clean,
        "count": wording.count,
        "percent": wording.percent,
    }
    environment.filters.update(filters)
    return environment
