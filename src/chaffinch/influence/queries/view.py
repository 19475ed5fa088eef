"""Views of single influences: by layer, and by the token of the training sample."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from chaffinch.gradients import capture
from chaffinch.gradients.factored import Factored
from chaffinch.gradients.layer import Layers
from chaffinch.influence.queries.layout import Layout
from chaffinch.influence.queries.precondition import Prepared
from chaffinch.influence.queries.table import GradientTable
from chaffinch.influence.task import Loss


def by_layer(table: GradientTable, prepared: Prepared, sample: int, query: int) -> dict[str, float]:
    """What each parameter contributes to one influence; the sum over all is the influence.

    Args:
        table: Kept gradients.
        prepared: The queries.
        sample: Position of the training sample.
        query: Position of the query.
    """
    scale = 1.0 if prepared.scales is None else float(prepared.scales[sample])
    one = slice(sample, sample + 1)
    return {
        name: scale * float(prepared.centred(name, table.rows(name, one))[0] @ vectors[query])
        for name, vectors in prepared.vectors.items()
    }


def by_token(
    model: nn.Module,
    data: Any,
    vectors: Mapping[str, Tensor],
    layout: Layout,
    *,
    layers: Layers = "lora",
    loss: Loss | None = None,
) -> Tensor:
    """(T,) what each position of one training sample contributes to its influence on one query.

    A weight used at T positions has a gradient that is a sum over them; here the terms are kept
    apart (as in Grosse et al. 2023). A term belongs to the position at which the weight acts, not
    to the token that is told there. Parameters whose gradient is no such sum are left out.

    Args:
        model: The model.
        data: One training sample as (X, y).
        vectors: (K,) of each parameter: the prepared query.
        layout: What is kept of gradients.
        layers: Which parameters count.
        loss: One loss a sample; None for cross-entropy.
    """
    block = capture(model, data, layers, loss, form="factored")
    total = torch.zeros(0)
    for name, shape in layout.shapes:
        piece = block.pieces[name]
        if not isinstance(piece, Factored) or piece.groups != 1:
            continue
        d, h = (factor[0, 0].float().cpu() for factor in piece.factors())
        if not layout.keeps_whole(shape):
            left, right = layout.pair(shape, d)
            d, h = d @ left.T, h @ right.T
        values = ((d @ vectors[name].view(d.shape[1], h.shape[1])) * h).sum(1)
        total = values if not len(total) else total + values
    return total
