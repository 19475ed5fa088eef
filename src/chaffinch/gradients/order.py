"""The order in which a model uses its modules."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node, get_gradient_edge
from torch.nn.utils.parametrize import ParametrizationList

from chaffinch.core.errors import InputError
from chaffinch.gradients import fallback
from chaffinch.gradients.batch import Batch
from chaffinch.gradients.layer import with_parametrizations
from chaffinch.gradients.objective import Loss, total_of
from chaffinch.gradients.recorder import hooked
from chaffinch.models.forward import DIFFERENTIABLE, forward, running

_Passed = list[tuple[nn.Module, list[Node]]]


def order_of_use(model: nn.Module, batch: Batch, loss: Loss) -> list[nn.Module]:
    """Modules in the order in which they return, less those on which no loss depends.

    An auxiliary head whose output is thrown away has parameters, but no gradient: it is not the
    last layer, be it called last. A module whose weight matrix is read after all layers, without
    a call of the module, comes last; one that merely holds a matrix beside its layers, such as
    the positions of a vision transformer, comes first.

    Args:
        model: The model, in eval mode with gradients on.
        batch: A few samples (x, y); each is run alone.
        loss: One loss a sample.

    Raises:
        InputError: Weight matrices of several modules that are read after all layers.
    """
    trained = [one for one in model.parameters() if one.requires_grad]
    used, reached, read = list[nn.Module](), set[int](), set[int]()
    for i in range(fallback.count(batch[1])):
        passed: _Passed = []

        def keep(module: nn.Module, *given: Any, into: _Passed = passed) -> None:
            into.append((module, list(_nodes(given[-1]))))

        with hooked(model.modules(), keep, first=True):
            outputs = forward(model, fallback.row(batch[0], i))
            total = total_of(loss, outputs, fallback.row(batch[1], i))
        used = [one for one, _ in passed] if len(passed) > len(used) else used
        if trained and total.requires_grad:
            read |= _read_last(passed, total)
            with running(DIFFERENTIABLE):
                found = torch.autograd.grad(total, trained, allow_unused=True)
            reached |= {id(p) for p, g in zip(trained, found, strict=True) if g is not None}
    idle = {id(one) for one in trained} - reached
    if not reached:
        return used
    holders = _holders(used)
    busy = [one for one in used if not idle or not idle.issuperset(map(id, one.parameters()))]
    order = sorted(busy, key=lambda one: one not in holders)
    return order + _owner(model, read & reached)


def _owner(model: nn.Module, read: set[int]) -> list[nn.Module]:
    """The module of the matrices that are read last, or nothing where none are."""
    owners = [one for one in model.modules() if read & _matrices(one)]
    if len({frozenset(read & _matrices(one)) for one in owners}) > 1:
        names = [name for name, one in model.named_parameters() if id(one) in read]
        raise InputError(
            "a last layer that is called as a module",
            f"weights that the model reads outside of calls of their modules: "
            f"{', '.join(names[:5])}{', ...' if len(names) > 5 else ''}",
            "Pass the name of the layer instead of layers='last'",
        )
    return owners[:1]


def _read_last(passed: _Passed, total: Tensor) -> set[int]:
    """Ids of the matrices that go into a loss past the outputs of all layers."""
    holders = _holders([module for module, _ in passed])
    inner = {one for m, _ in passed if isinstance(m, ParametrizationList) for one in m.modules()}
    layers = [(m, nodes) for m, nodes in passed if m not in holders | inner and _matrices(m)]
    unknown = {one for m, nodes in layers if not nodes for one in _matrices(m)}
    return _leaves(list(_nodes(total)), {node for _, nodes in layers for node in nodes}) - unknown


def _leaves(tops: list[Node], ends: set[Node]) -> set[int]:
    """Ids of the matrices below some nodes of a graph, with a stop at others.

    What is added to the way to an end is left out: a penalty, an offset, a branch beside layers.
    """
    parents: dict[Node, list[Node]] = {top: [] for top in tops}
    waiting = list(parents)
    while waiting:
        node = waiting.pop()
        for child in () if node in ends else _children(node):
            if child not in parents:
                parents[child] = []
                waiting.append(child)
            parents[child].append(node)
    above, waiting = set[Node](), [node for node in ends if node in parents]
    while waiting:
        node = waiting.pop()
        if node not in above:
            above.add(node)
            waiting += parents[node]
    found, seen, waiting = set[int](), set(ends), list(tops)
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        leaf, below = getattr(node, "variable", None), _children(node)
        if leaf is not None and leaf.ndim >= 2:
            found.add(id(leaf))
        way = [child for child in below if child in above]
        adds = node.name().startswith(
            ("AddBackward", "SubBackward", "CatBackward", "StackBackward")
        )
        waiting += way if way and adds else below
    return found


def _children(node: Node) -> list[Node]:
    return [child for child, _ in node.next_functions if child is not None]


def _holders(order: list[nn.Module]) -> set[nn.Module]:
    """Modules with matrices of their own beside layers inside them that are called too."""
    layers = {module for module in order if _matrices(module)}
    return {one for one in layers if layers & set(one.modules()) - set(with_parametrizations(one))}


def _matrices(module: nn.Module) -> set[int]:
    """Ids of the trained weight matrices of a module itself."""
    own = [one for part in with_parametrizations(module) for one in part.parameters(recurse=False)]
    return {id(one) for one in own if one.requires_grad and one.ndim >= 2}


def _nodes(value: Any) -> Iterable[Node]:
    """The nodes of all tensors in an output."""
    if isinstance(value, Tensor):
        if value.requires_grad:
            yield get_gradient_edge(value).node
    elif isinstance(value, Mapping):
        yield from _nodes(tuple(value.values()))
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _nodes(one)
