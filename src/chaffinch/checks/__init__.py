"""Checks of a data set itself: one function an issue, from arrays to flags and scores.

Importing a module registers its checks.
"""

from chaffinch.checks import (
    cell_value,
    column,
    drift,
    duplicates,
    fault,
    image,
    label,
    leakage,
    order,
    personal,
    sound,
    spurious,
    text,
)
from chaffinch.checks.registry import CHECKS, Check, Finding
from chaffinch.checks.result import CheckResult
from chaffinch.checks.run import check

__all__ = [
    "CHECKS",
    "Check",
    "CheckResult",
    "Finding",
    "cell_value",
    "check",
    "column",
    "drift",
    "duplicates",
    "fault",
    "image",
    "label",
    "leakage",
    "order",
    "personal",
    "sound",
    "spurious",
    "text",
]
