"""What a cell of the experiment ``text`` may decide beside its axes."""

from pydantic import Field

from benchmarks.data import Sizes
from benchmarks.experiments.declared import Declared
from chaffinch.training.schedule import Schedule


class Settings(Declared):
    """What a cell of the experiment ``text`` may decide.

    Attributes:
        size: N training texts.
        validation: M clean validation texts, distinct from the test texts.
        test: Test texts.
        length: Tokens that are read of a text.
        depth: Layers at the top of the encoder that learn; those below stay as they are.
        epochs: E.
        batch_size: Texts a step.
        learning_rate: Peak of the one-cycle rate of AdamW; 3e-4 as published.
        weight_decay: Of AdamW.
        folds: K models that predict what they have not seen; 0 for none.
        fold_epochs: Of each of these; as many as `epochs` by default.
        keep: Share of the texts, the least suspicious, that the encoder is trained on again.
        retrain: Methods for which that is done; the others are only marked by what they find.
        collect: Further records of evidence (``dropout_logits``, ``ensemble_logits``...).
    """

    size: int = Field(default=2000, ge=2)
    validation: int = Field(default=300, ge=1)
    test: int = Field(default=1000, ge=1)
    length: int = Field(default=48, ge=2)
    depth: int = Field(default=1, ge=1)
    epochs: int = Field(default=5, ge=1)
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=3e-4, gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    folds: int = Field(default=3, ge=0)
    fold_epochs: int | None = Field(default=None, ge=1)
    keep: float = Field(default=0.7, gt=0, le=1)
    retrain: tuple[str, ...] = ("none", "random", "oracle")
    collect: tuple[str, ...] = ()

    @property
    def sizes(self) -> Sizes:
        """The sizes of the three parts."""
        return Sizes(self.size, self.validation, self.test)

    @property
    def schedule(self) -> Schedule:
        """How to train on all texts."""
        return self._for(self.epochs)

    @property
    def fold_schedule(self) -> Schedule:
        """How to train the models that are held back from a part."""
        return self._for(self.fold_epochs or self.epochs)

    def _for(self, epochs: int) -> Schedule:
        return Schedule(epochs, self.batch_size, self.learning_rate, self.weight_decay)
