"""How the model learned: accuracy by epoch."""

from collections.abc import Sequence
from dataclasses import dataclass

from chaffinch.report import wording
from chaffinch.report.chart import Frame, Tick, line, spread, steps
from chaffinch.store.run import ModelRecord

_LABEL_GAP = 17.0


@dataclass(frozen=True)
class Curve:
    """One line of the chart with the label at its end."""

    name: str
    kind: str
    path: str
    end: tuple[float, float]
    label_at: float
    value: str


@dataclass(frozen=True)
class Learning:
    """Accuracy by epoch, in-sample and held out."""

    frame: Frame
    curves: tuple[Curve, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    rows: tuple[tuple[str, str, str], ...]
    """First and last value of each curve, in words, for those who do not see the drawing."""


def learn(model: ModelRecord) -> Learning | None:
    """Draw the learning curves; None where no accuracy was recorded."""
    series = {
        ("Training", "training"): model.training_accuracy,
        ("Held-out", "held-out"): model.held_out_accuracy,
    }
    series = {key: values for key, values in series.items() if values}
    if not series:
        return None
    frame = Frame(right=112)
    epochs = max(len(values) for values in series.values())
    low = _floor([value for values in series.values() for value in values])
    x, y = frame.across(1, max(2, epochs)), frame.up(low, 1.0)
    places = spread([y(values[-1]) for values in series.values()], _LABEL_GAP)
    curves = []
    for ((name, kind), values), place in zip(series.items(), places, strict=True):
        points = [(x(epoch), y(value)) for epoch, value in enumerate(values, start=1)]
        value = wording.percent(values[-1])
        curves.append(Curve(name, kind, line(points), points[-1], place, value))
    marks = [step for step in steps(1, max(2, epochs)) if step == int(step) and step <= epochs]
    return Learning(
        frame=frame,
        curves=tuple(curves),
        across=tuple(Tick(x(mark), f"{mark:g}") for mark in marks or [1]),
        up=tuple(Tick(y(value), wording.tick_percent(value)) for value in steps(low, 1.0, 4)),
        rows=tuple(
            (name, wording.percent(values[0]), wording.percent(values[-1]))
            for (name, _), values in series.items()
        ),
    )


def _floor(values: Sequence[float]) -> float:
    """The lower end of the axis: a round number below all values, with some room."""
    return max(0.0, int(min(values) * 10 - 0.5) / 10)
