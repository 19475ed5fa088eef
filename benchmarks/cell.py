"""A cell of a benchmark: one data set, model, glitch and seed under one protocol."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from chaffinch.core.identity import digest

Protocol = Literal["paper", "corrected"]
"""``paper``: as published, quirks reproduced and named. ``corrected``: the rules of the house."""


class Cell(BaseModel):
    """What is measured in one go; its digest names the folder where its results are kept.

    Attributes:
        suite: Name of the suite.
        experiment: Name of the experiment that measures it.
        protocol: Rules that it follows.
        data: Name of the data set.
        model: Name of the network.
        glitch: Name of the injected glitch; ``none`` for data as they are.
        rate: Share of the samples with the glitch, 0..1.
        seed: Redraws data, glitches and initial weights.
        settings: What else decides the outcome (sizes, epochs, learning rate...).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    suite: str
    experiment: str
    protocol: Protocol = "corrected"
    data: str
    model: str
    glitch: str = "none"
    rate: float = Field(default=0.0, ge=0, le=1)
    seed: int = Field(default=0, ge=0)
    settings: dict[str, Any] = Field(default_factory=dict)

    @property
    def key(self) -> str:
        """Digest of everything that decides the outcome."""
        return digest(self.model_dump_json().encode())
