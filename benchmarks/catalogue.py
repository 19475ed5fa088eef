"""Everything that can be measured, and by what; imported only when a benchmark runs."""

import importlib
import importlib.util
from collections.abc import Iterable

from benchmarks.experiment import EXPERIMENTS
from chaffinch.core.errors import InputError

MODULES = (
    "benchmarks.methods",
    "benchmarks.peers",
    "benchmarks.experiments.detection",
    "benchmarks.experiments.synthetic",
    "benchmarks.experiments.runtime",
    "benchmarks.experiments.noisy_images",
    "benchmarks.experiments.fine_tuning",
    "benchmarks.experiments.shift",
    "benchmarks.experiments.prompts",
    "benchmarks.experiments.diagnosis",
    "benchmarks.experiments.repair",
    "benchmarks.experiments.training",
)
"""Modules that register experiments and methods when they are imported."""

PEERS = ("captum", "cleanlab", "dattri", "kronfluence", "pyod", "sklearn")
"""Libraries to compare with: their methods have the module's name as origin."""

_CONTROLS = ("random", "oracle", "none")


def load_catalogue(modules: Iterable[str] = (), own: Iterable[str] | None = None) -> None:
    """Register experiments and methods.

    Args:
        modules: Further modules.
        own: Modules of the package, by default `MODULES`.

    Raises:
        InputError: A further module cannot be found.
    """
    for name in MODULES if own is None else own:
        importlib.import_module(name)
    for name in modules:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            raise InputError(
                "a module that Python can import",
                repr(name),
                "Put its folder on PYTHONPATH, or correct `modules` in the suite",
            ) from error


def origin_of(method: str) -> str:
    """Where a method comes from, also if an experiment keeps it to itself; "" if unknown."""
    from benchmarks.method import METHODS
    from chaffinch.scorers import SCORERS

    if method in METHODS:
        return METHODS[method].origin
    first = method.split()[0] if method.split() else ""
    if first == "chaffinch":
        return "chaffinch"
    if first in _CONTROLS:
        return "control"
    if method in SCORERS:
        return "scorer"
    return first if first in PEERS else ""


def summary_of(method: str) -> str:
    """One line about a method, or ""."""
    from benchmarks.method import METHODS
    from chaffinch.scorers import SCORERS

    if method in METHODS:
        return METHODS[method].summary
    if method in SCORERS:
        return SCORERS[method].summary
    lines = (EXPERIMENTS[name].about.get(method, "") for name in EXPERIMENTS)
    return next(filter(None, lines), "")


def missing_peer(method: str) -> str:
    """The library that a method needs and that is not installed, or ""."""
    origin = origin_of(method)
    return origin if origin in PEERS and importlib.util.find_spec(origin) is None else ""
