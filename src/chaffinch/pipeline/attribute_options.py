"""How training prompts are held against queries: the options, checked."""

from dataclasses import dataclass

from chaffinch.core.errors import InputError
from chaffinch.influence.queries import QUERY_ESTIMATORS

FOREST = "task_forests"


@dataclass(frozen=True)
class AttributeOptions:
    """How training prompts are held against queries.

    Attributes:
        lora: Folder of adapters of PEFT.
        estimator: A name in `QUERY_ESTIMATORS`, or ``task_forests``, which needs ``task``.
        layers: Which parameters count; by default the adapters, else the last block.
        blocks: A glob of the blocks whose hidden states count, for ``rep_cos``; by default the
            middle half of them.
        sketch: Numbers kept of each parameter; 0 for all.
        damping: Of all layers; None for the estimator's default.
        top: How many helping and hurting samples are listed for a query.
        tokens: For how many of these the influence is told token by token, a pass each.
        length: Maximum number of tokens per sample.
        batch_size: Samples in one forward and backward pass.
        prompt: Column of the prompt.
        response: Column of the response.
        id_column: Column of unique keys.
        task: Column of the training samples' task; only for ``task_forests``.
        count_prompt: Whether the tokens of the prompt count in the loss, too.
        device: Where to run the model.
        seed: Decides the projections and the forests.
    """

    lora: str | None = None
    estimator: str = "datainf"
    layers: str | None = None
    blocks: str | None = None
    sketch: int = 256
    damping: float | None = None
    top: int = 10
    tokens: int = 0
    length: int = 512
    batch_size: int = 8
    prompt: str | None = None
    response: str | None = None
    id_column: str | None = None
    task: str | None = None
    count_prompt: bool = False
    device: str = "cpu"
    seed: int = 0

    def __post_init__(self) -> None:
        least = {"sketch": 0, "top": 1, "tokens": 0, "length": 2, "batch_size": 1, "seed": 0}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise InputError(
                    f"{name} of at least {bound}", str(getattr(self, name)), "Pass a larger number"
                )
        if self.estimator != FOREST:
            if self.evidence == "states" and self.tokens:
                raise InputError(
                    f"tokens=0 with {self.estimator}",
                    str(self.tokens),
                    "Choose an estimator of gradients: theirs add up over tokens",
                )
        elif self.task is None:
            raise InputError(
                f"the column of tasks for {FOREST}", "none", "Name it with --task (task=)"
            )

    @property
    def signed(self) -> bool:
        """Whether values below 0 mean that a sample hurt; else values tell alikeness only."""
        return self.estimator != FOREST and self.evidence == "gradients"

    @property
    def evidence(self) -> str:
        """What is kept of each sample for this estimator: ``gradients`` or ``states``.

        Raises:
            InputError: An unknown estimator.
        """
        return (
            "gradients" if self.estimator == FOREST else QUERY_ESTIMATORS[self.estimator].evidence
        )
