"""Which parameters to capture: by "all", "last", "lora", name, glob, type or a function."""

import fnmatch
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from torch import nn

from chaffinch.core.errors import InputError
from chaffinch.core.option import listed
from chaffinch.models.forward import running

Selector: TypeAlias = str | type[nn.Module]
Layers: TypeAlias = Selector | Sequence[Selector] | Callable[[str, nn.Module], bool]

_HEADS = ("head", "lm_head", "classifier", "score", "qa_outputs", "fc", "out_proj")
"""What models of Transformers and ours call the layer that gives the outputs."""


@dataclass(frozen=True)
class Use:
    """One place where a parameter is registered; tied parameters have several.

    Attributes:
        module: The module that owns it.
        attribute: Its name in the module.
    """

    module: nn.Module
    attribute: str


@dataclass(frozen=True)
class Target:
    """A parameter to capture.

    Attributes:
        name: Its name in ``model.named_parameters()``.
        parameter: Itself.
        uses: All places where it is registered.
    """

    name: str
    parameter: nn.Parameter
    uses: tuple[Use, ...]


def choose(model: nn.Module, layers: Layers, order: Callable[[], list[nn.Module]]) -> list[Target]:
    """The trainable parameters of the chosen layers, in the order of ``named_parameters()``.

    Args:
        model: The model.
        layers: "all"; "last", the layer with a weight matrix that is used last; "lora", the
            adapters of PEFT; "head", the module that gives the outputs, by its usual names;
            "last_block", the last of the largest list of equal blocks; names or globs of modules
            or parameters; module types; or a function of name and module. A chosen module brings
            all modules inside it.
        order: Modules in the order of use, those on which the loss depends; asked for only if
            "last" is wanted.

    Raises:
        InputError: Something that matches no layer, or layers without trainable parameters.
    """
    targets = _trainable(model)
    word = layers if isinstance(layers, str) else ""
    if word == "all":
        chosen = targets
    elif word == "last":
        last = {id(m) for m in with_parametrizations(_last(order() or list(model.modules())))}
        chosen = [t for t in targets if any(id(use.module) in last for use in t.uses)]
    elif word in _NAMED and word not in _names(model):
        chosen = _NAMED[word](model, targets)
    elif callable(layers) and not isinstance(layers, type):
        with running("layers as a function of the name of a module and the module"):
            wanted = {id(module) for name, module in model.named_modules() if layers(name, module)}
        chosen = _inside(model, targets, wanted)
    else:
        kinds = "'all', 'last', names or types of layers, or a function"
        selectors = [layers] if isinstance(layers, str | type) else listed(kinds, layers)
        chosen = _matching(model, targets, selectors)
    if not chosen:
        raise InputError(
            "layers with trainable parameters",
            f"none in {layers!r}",
            "Choose other layers, or set requires_grad on their parameters",
        )
    return chosen


def _trainable(model: nn.Module) -> list[Target]:
    uses: dict[int, list[Use]] = {}
    for module in model.modules():
        for attribute, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            uses.setdefault(id(parameter), []).append(Use(module, attribute))
    return [
        Target(name, parameter, tuple(uses[id(parameter)]))
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and parameter.numel()
    ]


def _last(order: list[nn.Module]) -> nn.Module | None:
    def trains(module: nn.Module, axes: int) -> bool:
        owners = with_parametrizations(module)
        own = [one for owner in owners for one in owner.parameters(recurse=False)]
        return any(one.requires_grad and one.ndim >= axes for one in own)

    for axes in (2, 0):  # a layer with a weight matrix, else any with parameters
        for module in reversed(order):
            if trains(module, axes):
                return module
    return None


def with_parametrizations(module: nn.Module | None) -> list[nn.Module]:
    """A module, and what its weights are made from (`torch.nn.utils.parametrize`)."""
    if module is None:
        return []
    made = module._modules.get("parametrizations")
    return [module] if made is None else [module, *made.modules()]


def _names(model: nn.Module) -> set[str]:
    return {name for name, _ in model.named_modules()}


def _adapters(_model: nn.Module, targets: list[Target]) -> list[Target]:
    return [target for target in targets if ".lora_" in f".{target.name}"]


def _head(model: nn.Module, targets: list[Target]) -> list[Target]:
    """The modules with the usual name of a head that lie highest."""
    found = [name for name in _names(model) if name.rpartition(".")[2] in _HEADS]
    highest = min((name.count(".") for name in found), default=0)
    chosen = {id(model.get_submodule(name)) for name in found if name.count(".") == highest}
    return _inside(model, targets, chosen)


def _last_block(model: nn.Module, targets: list[Target]) -> list[Target]:
    lists = [module for module in model.modules() if isinstance(module, nn.ModuleList)]
    largest = max(lists, key=len, default=None)
    return [] if not largest else _inside(model, targets, {id(largest[-1])})


_NAMED: dict[str, Callable[[nn.Module, list[Target]], list[Target]]] = {
    "head": _head,
    "last_block": _last_block,
    "lora": _adapters,
}


def _matching(model: nn.Module, targets: list[Target], selectors: list[Selector]) -> list[Target]:
    modules = dict(model.named_modules(remove_duplicate=False))
    names: set[str] = set()
    for selector in selectors:
        if isinstance(selector, str):
            hits = {id(m) for name, m in modules.items() if fnmatch.fnmatchcase(name, selector)}
            direct = {t.name for t in targets if fnmatch.fnmatchcase(t.name, selector)}
        elif not isinstance(selector, type):
            raise InputError(
                "names, globs or types of layers", f"a {type(selector).__name__}", "Pass text"
            )
        else:
            hits, direct = {id(m) for m in modules.values() if isinstance(m, selector)}, set()
        if not hits and not direct:
            known = [name for name, m in modules.items() if name and not list(m.children())]
            listed = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
            raise InputError(
                "names, globs or types of layers of the model",
                getattr(selector, "__name__", repr(selector)),
                f"Its layers: {listed or 'only the model itself'}",
            )
        names |= direct | {target.name for target in _inside(model, targets, hits)}
    return [target for target in targets if target.name in names]


def _inside(model: nn.Module, targets: list[Target], chosen: set[int]) -> list[Target]:
    """Targets used in a chosen module or anywhere below one."""
    inside = {id(m) for top in model.modules() if id(top) in chosen for m in top.modules()}
    return [target for target in targets if any(id(use.module) in inside for use in target.uses)]
