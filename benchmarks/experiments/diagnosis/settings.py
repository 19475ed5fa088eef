"""Settings: what a cell of the experiment ``diagnosis`` may decide beside its axes."""

from typing import Any

from pydantic import Field

from benchmarks.experiments.declared import Declared

HUMAN_LABELS = "cifar10n_16k"
"""Images whose labels people gave; the glitch of a cell is then the sort of noise."""


class Settings(Declared):
    """What a cell of the experiment ``diagnosis`` may decide.

    Attributes:
        size: N training samples before the glitch.
        validation: M clean validation samples; 0 for none.
        epochs: Of every training, instead of what the scan would choose.
        severity: Of a corruption, 1..5.
        mixture: Rates by name of a glitch, for the glitch ``mixture``.
        options: Further options of the scan.
    """

    size: int = Field(default=2000, ge=1)
    validation: int = Field(default=500, ge=0)
    epochs: int | None = Field(default=None, ge=1)
    severity: int | None = Field(default=None, ge=1, le=5)
    mixture: dict[str, float] = Field(default_factory=dict)
    options: dict[str, Any] = Field(default_factory=dict)

    @property
    def scan_options(self) -> dict[str, Any]:
        """Options that every scan of the cell gets."""
        return self.options | ({} if self.epochs is None else {"epochs": self.epochs})
