"""What methods of the experiment ``prompts`` look at: passes over the prompts that they share."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.data.prompt_set import PromptSet
from benchmarks.experiments.prompts.method import Evidence, Pair
from benchmarks.experiments.prompts.settings import Settings
from chaffinch.influence.queries import (
    collect_gradients,
    collect_states,
    gradients_of,
    sketch_rows,
    sketch_table,
    states_of,
)
from chaffinch.models.language import LanguageModel
from chaffinch.models.language.tokens import Encoded

PLACES: tuple[Evidence, ...] = ("whole", "sketched", "states", "before")
"""Folders of a cell, deleted in the end."""
_BATCH = 8


def collect(
    model: LanguageModel,
    drawn: PromptSet,
    settings: Settings,
    where: tuple[int, Path],
    needs: set[Evidence],
) -> dict[str, Pair]:
    """Keep what some methods need of the training prompts, and the same of the test prompts.

    Args:
        model: The fine-tuned model, with its adapters.
        drawn: The prompts.
        settings: Those of the cell.
        where: The seed of projections, and the folder of the cell.
        needs: Names in `PLACES`; no pass is made for what is not needed.
    """
    seed, folder = where
    data = encode(model, drawn.train, settings), encode(model, drawn.test, settings)
    found: dict[str, Pair] = {}
    if needs & {"whole", "sketched"}:
        found["whole"] = whole = _gradients(model, data, folder / "whole", seed)
        small = sketch_table(whole[0], folder / "sketched", settings.sketch, seed)
        found["sketched"] = small, sketch_rows(whole[1], small.layout)
    if "states" in needs:
        found["states"] = _states(model, data, folder / "states")
    if "before" in needs:
        inner: Any = model.model
        with inner.disable_adapter() if hasattr(inner, "disable_adapter") else nullcontext():
            found["before"] = _states(model, data, folder / "before")
    return found


def encode(model: LanguageModel, prompts: pd.DataFrame, settings: Settings) -> Encoded:
    """Prompts and responses as data of the model."""
    return model.pairs(
        prompts.prompt.tolist(), prompts.response.tolist(), count_prompt=settings.count_prompt
    )


def _gradients(model: LanguageModel, data: tuple[Encoded, Encoded], place: Path, seed: int) -> Pair:
    train, test = data
    table = collect_gradients(
        model.model,
        train,
        place,
        loss=model.loss,
        dimensions=None,
        batch_size=_BATCH,
        seed=seed,
    )
    return table, gradients_of(model.model, test, table.layout, loss=model.loss, batch_size=_BATCH)


def _states(model: LanguageModel, data: tuple[Encoded, Encoded], place: Path) -> Pair:
    table = collect_states(model.model, data[0], place, batch_size=_BATCH)
    return table, states_of(model.model, data[1], table.layout, batch_size=_BATCH)
