"""What `attribute` keeps of training samples: a table of gradients, or one of hidden states."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from chaffinch.core.errors import RunError
from chaffinch.core.identity import digest
from chaffinch.data.prompt import Prompts
from chaffinch.influence.queries import (
    GradientTable,
    blocks_of,
    collect_gradients,
    collect_states,
    gradients_of,
    states_of,
)
from chaffinch.models.language import LanguageModel
from chaffinch.pipeline.attribute_options import AttributeOptions

_OF_GRADIENTS = (
    "lora",
    "layers",
    "sketch",
    "length",
    "prompt",
    "response",
    "id_column",
    "count_prompt",
    "seed",
)
_OF_STATES = ("lora", "blocks", "length", "prompt", "response", "id_column")
KEPT = (*_OF_GRADIENTS, "blocks")
"""Options that belong to what is kept: later queries to it use the same."""
_SAMPLED = 64


def open_table(
    model: LanguageModel, train: Prompts, folder: Path, options: AttributeOptions
) -> GradientTable:
    """What the estimator needs of the training samples, kept by an earlier call or by a pass now.

    Args:
        model: The model.
        train: N training samples.
        folder: Of the run; tables of gradients and of states lie side by side in it.
        options: As for `attribute_prompts`.

    Raises:
        InputError: As for `collect_gradients` and `collect_states`.
    """
    states = options.evidence == "states"
    chosen = {name: getattr(options, name) for name in (_OF_STATES if states else _OF_GRADIENTS)}
    chosen |= {} if states else {"layers": options.layers or model.layers}
    described = json.dumps([chosen, train.fingerprint, _weights(model)])
    key = digest(described.encode())
    place = folder / options.evidence
    if place.is_dir():
        try:
            found = GradientTable(place)
            if found.key == key:
                return found
        except RunError:
            pass  # a pass that was stopped goes on
    data = _encode(model, train, options)
    if states:
        blocks = blocks_of(model.model, options.blocks)
        size = options.batch_size
        return collect_states(model.model, data, place, blocks, batch_size=size, key=key)
    return collect_gradients(
        model.model,
        data,
        place,
        chosen["layers"],
        model.loss,
        dimensions=options.sketch or None,
        batch_size=options.batch_size,
        seed=options.seed,
        key=key,
    )


def asked_rows(
    model: LanguageModel, asked: Prompts, table: GradientTable, options: AttributeOptions
) -> dict[str, Tensor]:
    """(M, K) of each parameter or block of the queries, as the table holds them of the samples."""
    data = _encode(model, asked, options)
    if options.evidence == "states":
        return states_of(model.model, data, table.layout, batch_size=options.batch_size)
    return gradients_of(
        model.model,
        data,
        table.layout,
        options.layers or model.layers,
        model.loss,
        batch_size=options.batch_size,
    )


def _encode(model: LanguageModel, prompts: Prompts, options: AttributeOptions) -> Any:
    return model.pairs(prompts.prompts, prompts.responses, count_prompt=options.count_prompt)


def _weights(model: LanguageModel) -> str:
    """A hash of all that is trained, and of a few numbers of all that is frozen."""
    parts = []
    for name, parameter in model.model.named_parameters():
        flat = parameter.detach().flatten()
        kept = flat if parameter.requires_grad else flat[:: max(1, len(flat) // _SAMPLED)]
        values = kept.float().cpu().numpy() if kept.is_floating_point() else kept.cpu().numpy()
        parts += [name.encode(), np.ascontiguousarray(values).tobytes()]
    return digest(*parts)
