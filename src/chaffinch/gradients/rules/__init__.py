"""Rules: how the per-sample gradients of one type of layer come from its inputs and errors.

One file, one rule, one signature. A rule is a pure function of a module, its input (N, ...) and
the gradient of the summed loss by its output (N, ...), and returns a piece for each of the
module's own parameters. Importing this package registers all of them.
"""

from chaffinch.gradients.rules import (
    batch_norm,
    conv1d_of_transformers,
    convolution,
    embedding,
    group_norm,
    layer_norm,
    linear,
    rms_norm,
)
from chaffinch.gradients.rules.registry import RULES, Rule, rule, rule_for

__all__ = [
    "RULES",
    "Rule",
    "batch_norm",
    "conv1d_of_transformers",
    "convolution",
    "embedding",
    "group_norm",
    "layer_norm",
    "linear",
    "rms_norm",
    "rule",
    "rule_for",
]
