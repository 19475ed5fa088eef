"""The ``Conv1D`` of GPT-2 in transformers: a linear layer with its weight transposed."""

from collections.abc import Mapping

from torch import Tensor, nn

from chaffinch.gradients.factored import Factored
from chaffinch.gradients.piece import Piece
from chaffinch.gradients.positions import Positions
from chaffinch.gradients.rules.linear import linear
from chaffinch.gradients.rules.registry import rule


@rule("transformers.pytorch_utils.Conv1D")
def transposed_linear(
    module: nn.Module, layer_input: Tensor, output_gradient: Tensor
) -> Mapping[str, Piece]:
    """Inputs (N, *, I), output gradients (N, *, O), weight (I, O)."""
    errors, inputs = (
        one.flatten(1, -2) if one.ndim > 2 else one[:, None]
        for one in (output_gradient, layer_input)
    )
    weight = Factored(
        [Positions(inputs[:, None], errors[:, None])], (inputs.shape[2], errors.shape[2])
    )
    return {"weight": weight, "bias": linear(module, layer_input, output_gradient)["bias"]}
