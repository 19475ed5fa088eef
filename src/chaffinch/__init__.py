"""Chaffinch finds the chaff in your training data.

Functions are imported when they are first used, so that ``import chaffinch`` is quick.
"""

import importlib
from typing import TYPE_CHECKING, Any

from chaffinch.core.version import VERSION

__version__ = VERSION

_HOMES = {
    "Findings": "chaffinch.core.findings",
    "attribute": "chaffinch.influence",
    "judge": "chaffinch.pipeline.judge",
    "open_data": "chaffinch.data",
    "scan": "chaffinch.pipeline.scan",
    "self_influence": "chaffinch.influence",
}
_PACKAGES = ("bench", "gradients", "influence", "losses", "scorers")

__all__ = [
    "Findings",
    "attribute",
    "bench",
    "gradients",
    "influence",
    "judge",
    "losses",
    "open_data",
    "scan",
    "scorers",
    "self_influence",
]

if TYPE_CHECKING:
    from chaffinch import bench, gradients, influence, losses, scorers
    from chaffinch.core.findings import Findings
    from chaffinch.data import open_data
    from chaffinch.influence import attribute, self_influence
    from chaffinch.pipeline.judge import judge
    from chaffinch.pipeline.scan import scan


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return importlib.import_module(f"chaffinch.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'chaffinch' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
