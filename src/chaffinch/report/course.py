"""The course of one sample's loss beside that of its class, small enough for a card."""

from collections.abc import Sequence
from dataclasses import dataclass

from chaffinch.core.explanation import Explanation
from chaffinch.report.chart import Frame, line

_SMALL = Frame(width=180, height=44, left=3, right=3, top=4, bottom=4)


@dataclass(frozen=True)
class Course:
    """Two curves over the epochs, on one axis that starts at zero.

    Attributes:
        frame: The plot area.
        own: Loss of the sample, as SVG path.
        usual: Median loss of its class.
        words: What the drawing shows, for those who do not see it.
    """

    frame: Frame
    own: str
    usual: str
    words: str


def trace_loss(explanation: Explanation) -> Course | None:
    """Draw the losses; None where fewer than two epochs were recorded."""
    own, usual = explanation.loss, explanation.class_loss
    if len(own) < 2 or len(own) != len(usual):
        return None
    x, y = _SMALL.across(0, len(own) - 1), _SMALL.up(0.0, max(*own, *usual))

    def path(values: Sequence[float]) -> str:
        return line((x(epoch), y(value)) for epoch, value in enumerate(values))

    words = (
        f"Loss by epoch: from {own[0]:.2g} to {own[-1]:.2g}; "
        f"median of its class from {usual[0]:.2g} to {usual[-1]:.2g}"
    )
    return Course(_SMALL, path(own), path(usual), words)
