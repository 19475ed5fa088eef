"""Settings: what a cell of the experiment ``training`` may decide beside its axes."""

from pydantic import Field

from benchmarks.data import Sizes
from benchmarks.experiments.declared import Declared
from chaffinch.training.augmentation import crop_and_flip
from chaffinch.training.schedule import Schedule


class Settings(Declared):
    """What a cell of the experiment ``training`` may decide.

    Attributes:
        size: N training samples.
        validation: M clean validation samples, for the policies that need them.
        test: Test samples.
        width: Of the network's (first) hidden layer.
        epochs: E.
        batch_size: Samples a step.
        learning_rate: Peak of the one-cycle rate of AdamW.
        weight_decay: Of AdamW.
        augment: Whether images are shifted and mirrored at random.
    """

    size: int = Field(default=3000, ge=1)
    validation: int = Field(default=300, ge=1)
    test: int = Field(default=2000, ge=1)
    width: int = Field(default=128, ge=1)
    epochs: int = Field(default=15, ge=3)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=0.003, gt=0)
    weight_decay: float = Field(default=1e-4, ge=0)
    augment: bool = False

    @property
    def sizes(self) -> Sizes:
        """The sizes of the three parts."""
        return Sizes(self.size, self.validation, self.test)

    @property
    def schedule(self) -> Schedule:
        """How all rows train; the number of steps stays that of all N samples."""
        steps = -(-self.size // self.batch_size)
        return Schedule(
            self.epochs,
            self.batch_size,
            self.learning_rate,
            self.weight_decay,
            augment=crop_and_flip if self.augment else None,
            steps=steps,
        )
