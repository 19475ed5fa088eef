"""What the autograd graph of a batch proves: who uses a parameter, and whose each row is."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from math import prod
from typing import Any

from torch import Tensor
from torch.autograd.graph import Node

_OPERATIONS = {
    "elementwise": "Abs Add Addcdiv Addcmul Alias BinaryCrossEntropy BinaryCrossEntropyWithLogits "
    "Celu Clamp ClampMax ClampMin Clone Cos Div Elu Erf Exp Expand Expm1 Gelu Hardsigmoid "
    "Hardswish Hardtanh HuberLoss LeakyRelu Lerp Log Log10 Log1P Log2 LogSigmoid MaskedFill "
    "Maximum Minimum Mish MseLoss Mul NativeDropout Neg Pow PreluKernel Reciprocal Relu Rsqrt "
    "Rsub Sigmoid Silu Sin SmoothL1Loss SoftMarginLoss Softplus Sqrt Sub Tanh Threshold ToCopy "
    "Where",
    "along axes": "Amax Amin Cat Cumsum Flip Gather Glu IndexSelect LinalgVectorNorm LogSoftmax "
    "Logsumexp Max Mean Min Permute Prod Roll Select Slice Softmax Sort Split SplitWithSizes "
    "Squeeze Stack Std Sum Topk Transpose Unbind Unsqueeze Var",
    "view": "ReshapeAlias UnsafeView View",
    "layer": "AdaptiveAvgPool2D AdaptiveAvgPool3D AdaptiveMaxPool2D AdaptiveMaxPool3D Addmm "
    "AvgPool2D AvgPool3D Baddbmm Bmm ConstantPadNd Convolution CudnnBatchNorm CudnnConvolution "
    "FusedRmsNorm MaxPool2DWithIndices MaxPool3DWithIndices MkldnnConvolution Mm NativeBatchNorm "
    "NativeGroupNorm NativeLayerNorm NllLoss NllLoss2D PixelShuffle PixelUnshuffle "
    "ReflectionPad1D ReflectionPad2D ReflectionPad3D ReplicationPad1D ReplicationPad2D "
    "ReplicationPad3D ScaledDotProductEfficientAttention ScaledDotProductFlashAttention "
    "ScaledDotProductFlashAttentionForCpu UpsampleBicubic2D UpsampleBilinear2D UpsampleLinear1D "
    "UpsampleNearest1D UpsampleNearest2D UpsampleNearest3D UpsampleTrilinear3D",
}
_KINDS = {name: kind for kind, names in _OPERATIONS.items() for name in names.split()}
_SEVERAL = {"Addmm": 2, "Baddbmm": 3, "Bmm": 2}
"""How many arguments of a layer go in by samples, one if nothing is said; others are weights."""

_NAME = re.compile(r"(\w+?)Backward\d*$")


@dataclass(frozen=True)
class Trace:
    """What a graph proves.

    Attributes:
        uses: How often each leaf tensor goes into the graph, by its id.
        orderly: Whether all operations between the marked nodes and the losses are known to keep
            the samples apart and in their order. False proves nothing: the rows may still be
            in order.
    """

    uses: dict[int, int]
    orderly: bool


def trace(
    losses: Tensor, marked: Collection[Node], samples: int, outputs: Node | None = None
) -> Trace:
    """Walk the graph of (N,) losses.

    Args:
        losses: The losses of a batch.
        marked: Nodes that give the outputs of recorded layers.
        samples: N.
        outputs: The node of the model's outputs, if the loss is known to keep samples apart.
    """
    if losses.grad_fn is None:
        return Trace({}, True)
    parents: dict[Node, list[tuple[Node, int, int]]] = {losses.grad_fn: []}
    waiting = [losses.grad_fn]
    while waiting:
        node = waiting.pop()
        for slot, (child, output) in enumerate(node.next_functions):
            if child is not None:
                if child not in parents:
                    parents[child] = []
                    waiting.append(child)
                parents[child].append((node, slot, output))
    leaves = [(getattr(node, "variable", None), above) for node, above in parents.items()]
    uses = {id(leaf): len(above) for leaf, above in leaves if leaf is not None}
    return Trace(uses, samples == 1 or _orderly(parents, marked, (samples, outputs)))


def _orderly(
    parents: dict[Node, list[tuple[Node, int, int]]],
    marked: Iterable[Node],
    top: tuple[int, Node | None],
) -> bool:
    """Whether all paths from the marked nodes up to the losses keep the samples in order.

    Args:
        parents: For each node, those that use it, in which slot, and which of its outputs.
        marked: Where the paths begin.
        top: N, and where they may end early.
    """
    samples, outputs = top
    waiting = [node for node in marked if node in parents]
    seen = set(waiting)
    while waiting:
        child = waiting.pop()
        for parent, slot, output in () if child is outputs else parents[child]:
            if not _keeps_order(parent, slot, _shape(child, output), samples):
                return False
            if parent not in seen:
                seen.add(parent)
                waiting.append(parent)
    return True


def _keeps_order(node: Any, slot: int, given: tuple[int, ...], samples: int) -> bool:
    """Whether sample i has the i-th of N equal parts of the result, as it has of an argument.

    Args:
        node: The operation.
        slot: Which argument comes from a marked node.
        given: The shape of that argument.
        samples: N.
    """
    found, result = _NAME.match(node.name()), _shape(node, 0)
    if found is None or not given or not result or given[0] % samples or result[0] % samples:
        return False
    name = found.group(1)
    kind = _KINDS.get(name)
    if kind == "view":
        return True
    if given[0] != result[0] or getattr(node, "_saved_reduction", 0) != 0:
        return False
    if kind == "elementwise":  # an argument with fewer axes would be broadcast to other samples
        return len(given) == len(result)
    if kind == "along axes":
        return _leaves_first_axis(node, name, given, result)
    if name == "AsStrided":  # adaptive pooling to one cell
        return given == result and node._saved_stride[0] * result[0] == prod(result)
    if kind is None or getattr(node, "_saved_training", False):  # statistics of the batch
        return False
    by_samples = 3 if "DotProduct" in name else _SEVERAL.get(name, 1)
    normalised = getattr(node, "_saved_normalized_shape", ())
    return slot < by_samples and len(normalised) < len(given)


def _leaves_first_axis(
    node: Any, name: str, given: tuple[int, ...], result: tuple[int, ...]
) -> bool:
    axes = len(result) if name in ("Stack", "Unsqueeze") else len(given)

    def place(axis: int) -> int:  # negative axes are kept as unsigned numbers
        return axis - 2**64 + axes if axis >= 2**63 else axis + axes if axis < 0 else axis

    if name == "Permute":
        return place(node._saved_dims[0]) == 0
    changed: list[int] = []
    for attribute in ("_saved_dim", "_saved_dims", "_saved_dim0", "_saved_dim1"):
        value = getattr(node, attribute, None)
        if value is not None:
            changed += [value] if isinstance(value, int) else list(value)
    whole = name == "Slice" and given == result
    return whole or name == "Squeeze" or all(place(axis) != 0 for axis in changed)


def _shape(node: Any, output: int) -> tuple[int, ...]:
    """The shape of an output of an operation; empty where it is not known."""
    known = getattr(node, "_input_metadata", ())
    return tuple(known[output].shape) if output < len(known) else ()
