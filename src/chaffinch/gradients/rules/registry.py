"""The registry of rules, by the name of the layer type."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor, nn

from chaffinch.core.registry import Registry
from chaffinch.gradients.piece import Piece

Function: TypeAlias = Callable[[nn.Module, Tensor, Tensor], Mapping[str, Piece]]


@dataclass(frozen=True)
class Rule:
    """A rule and the layers that it covers.

    Attributes:
        layer: The type of layer, or the full name of one from a package that may not be installed.
        function: Module, input (N, ...) and output gradient (N, ...) in; a piece for each of the
            module's own parameters out, by attribute name.
        covers: Whether it holds for a certain module of that type.
    """

    layer: type[nn.Module] | str
    function: Function
    covers: Callable[[nn.Module], bool]


RULES: Registry[Rule] = Registry("gradient rule")


def rule(
    *layers: type[nn.Module] | str, covers: Callable[[nn.Module], bool] = lambda _: True
) -> Callable[[Function], Function]:
    """Register a function as the rule of some layer types.

    Args:
        layers: Types it holds for, and for their subclasses that keep the same ``forward``; a
            full name for a type of a package that may not be installed.
        covers: Refuses modules whose settings the rule does not cover; they take the fallback.
    """

    def register(function: Function) -> Function:
        for layer in layers:
            name = layer.rpartition(".")[2] if isinstance(layer, str) else layer.__name__
            RULES.add(name, Rule(layer, function, covers))
        return function

    return register


def rule_for(module: nn.Module) -> Rule | None:
    """The rule that holds for a module, or None."""
    for kind in type(module).__mro__:
        if kind.__name__ not in RULES:
            continue
        found = RULES[kind.__name__]
        known = found.layer in (kind, f"{kind.__module__}.{kind.__qualname__}")
        same = known and getattr(kind, "forward", None) is type(module).forward
        return found if same and found.covers(module) else None
    return None
