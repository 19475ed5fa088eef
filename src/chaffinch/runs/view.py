"""Everything that findings show, on whatever holds findings."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd
from numpy.typing import NDArray

from chaffinch.core.basis import Basis
from chaffinch.core.findings import Findings
from chaffinch.core.types import Floats, Mask

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class FindingsView(ABC):
    """Hands on what `Findings` offers, so that a run can stand where findings stood."""

    @property
    @abstractmethod
    def findings(self) -> Findings:
        """What was found."""

    @property
    def table(self) -> pd.DataFrame:
        """See `Findings.table`."""
        return self.findings.table

    @property
    def classes(self) -> NDArray[Any]:
        """See `Findings.classes`."""
        return self.findings.classes

    @property
    def estimated_errors(self) -> float:
        """See `Findings.estimated_errors`."""
        return self.findings.estimated_errors

    @property
    def flow(self) -> Floats | None:
        """See `Findings.flow`."""
        return self.findings.flow

    @property
    def notes(self) -> tuple[str, ...]:
        """See `Findings.notes`."""
        return self.findings.notes

    @property
    def details(self) -> Mapping[str, Any]:
        """See `Findings.details`."""
        return self.findings.details

    @property
    def basis(self) -> Basis | None:
        """See `Findings.basis`."""
        return self.findings.basis

    @property
    def answers(self) -> pd.DataFrame | None:
        """See `Findings.answers`."""
        return self.findings.answers

    @property
    def origin(self) -> Findings | None:
        """See `Findings.origin`."""
        return self.findings.origin

    @property
    def scorers(self) -> list[str]:
        """See `Findings.scorers`."""
        return self.findings.scorers

    @property
    def is_judged(self) -> Mask:
        """See `Findings.is_judged`."""
        return self.findings.is_judged

    @property
    def judged(self) -> Findings:
        """See `Findings.judged`."""
        return self.findings.judged

    @property
    def flagged(self) -> pd.DataFrame:
        """See `Findings.flagged`."""
        return self.findings.flagged

    @property
    def ranked(self) -> pd.DataFrame:
        """See `Findings.ranked`."""
        return self.findings.ranked

    @property
    def rates(self) -> pd.DataFrame:
        """See `Findings.rates`."""
        return self.findings.rates

    def plot(
        self,
        kind: str = "scores",
        axes: "Axes | None" = None,
        *,
        points: Floats | None = None,
        colour: str = "kind",
    ) -> "Axes":
        """See `Findings.plot`."""
        return self.findings.plot(kind, axes, points=points, colour=colour)

    def to_check(self, count: int = 30, seed: int = 0) -> pd.DataFrame:
        """See `Findings.to_check`."""
        return self.findings.to_check(count, seed)

    def with_judged(self, made: Findings) -> Findings:
        """See `Findings.with_judged`."""
        return self.findings.with_judged(made)

    def placed(self, rows: Iterable[int], sources: Iterable[str]) -> Findings:
        """See `Findings.placed`."""
        return self.findings.placed(rows, sources)

    def __len__(self) -> int:
        return len(self.findings)
