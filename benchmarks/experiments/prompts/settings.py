"""What a cell of the experiment ``prompts`` may decide beside its axes."""

from pydantic import Field

from benchmarks.experiments.declared import Declared


class Settings(Declared):
    """What a cell of the experiment ``prompts`` may decide.

    Attributes:
        train: Training prompts of each kind; 90 as published.
        test: Test prompts of each kind; 10 as published.
        kinds: Kinds of prompts; 10 as published.
        epochs: E; 25 as published.
        batch_size: Prompts a step; 32 as published.
        learning_rate: Of AdamW, falling to 0 after five steps of warm-up; 3e-4 as published.
        rank: Of the adapters on query and value; 8 as published.
        alpha: What the adapters are scaled by, times the rank; 32 as published.
        length: Most tokens of a prompt with its response.
        sketch: Numbers kept of each parameter by the methods named "sketched".
        count_prompt: Whether the tokens of the prompt count in the loss, too, as published.
    """

    train: int = Field(default=90, ge=2)
    test: int = Field(default=10, ge=1)
    kinds: int = Field(default=10, ge=2, le=10)
    epochs: int = Field(default=2, ge=0)
    batch_size: int = Field(default=8, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    rank: int = Field(default=8, ge=1)
    alpha: float = Field(default=32, gt=0)
    length: int = Field(default=128, ge=8)
    sketch: int = Field(default=256, ge=1)
    count_prompt: bool = True
