"""Settings: what a cell of the experiment ``detection`` may decide beside its axes."""

from typing import Any

from pydantic import Field

from benchmarks.data import Sizes
from benchmarks.experiments.declared import Declared

_OVERRIDES = ("epochs", "batch_size", "learning_rate")
_SIZES = {"digits": Sizes(1000, 250, 500)}
_OTHER_SIZES = Sizes(2000, 500, 1000)


class Settings(Declared):
    """What a cell of the experiment ``detection`` may decide.

    Attributes:
        size: N training samples before the glitch; 1,000 for digits, else 2,000.
        validation: M clean validation samples; 250 or 500.
        test: Test samples; 500 or 1,000.
        folds: K models that predict what they have not seen; 0 for none.
        epochs: Instead of the network's own.
        batch_size: Instead of the network's own.
        learning_rate: Instead of the network's own.
        width: Of the network, instead of its own.
        severity: Of a corruption, 1..5.
        mixture: Rates by name of a glitch, for the glitch ``mixture``.
        collect: Further records of evidence: ``ensemble_logits``, ``dropout_logits``,
            ``fake_class_margins``.
        curves: Whether scores of every epoch are measured.
        retrain_budgets: Shares of the samples, 0..1, that are taken out before training afresh.
        time_methods: Whether each method's seconds are measured, alone and with nothing shared.
    """

    size: int | None = Field(default=None, ge=1)
    validation: int | None = Field(default=None, ge=1)
    test: int | None = Field(default=None, ge=1)
    folds: int = Field(default=3, ge=0)
    epochs: int | None = Field(default=None, ge=1)
    batch_size: int | None = Field(default=None, ge=1)
    learning_rate: float | None = Field(default=None, gt=0)
    width: int | None = Field(default=None, ge=1)
    severity: int | None = Field(default=None, ge=1, le=5)
    mixture: dict[str, float] = Field(default_factory=dict)
    collect: tuple[str, ...] = ()
    curves: bool = False
    retrain_budgets: tuple[float, ...] = ()
    time_methods: bool = False

    def sizes(self, data: str) -> Sizes:
        """The sizes of the three parts."""
        usual = _SIZES.get(data, _OTHER_SIZES)
        return Sizes(
            self.size or usual.train, self.validation or usual.validation, self.test or usual.test
        )

    @property
    def training(self) -> dict[str, Any]:
        """What differs from the network's own schedule."""
        given = {name: getattr(self, name) for name in _OVERRIDES}
        return {name: value for name, value in given.items() if value is not None}
