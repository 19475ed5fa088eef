"""Exact per-sample gradients that stay factored."""

from chaffinch.gradients.block import GradientBlock
from chaffinch.gradients.capture import capture, squared_norms, stream
from chaffinch.gradients.fallback import GradientFallbackWarning
from chaffinch.gradients.rules import RULES
from chaffinch.gradients.sketch import SKETCHES

__all__ = [
    "RULES",
    "SKETCHES",
    "GradientBlock",
    "GradientFallbackWarning",
    "capture",
    "squared_norms",
    "stream",
]
