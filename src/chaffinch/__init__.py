"""Chaffinch finds the chaff in your training data.

Functions are imported when they are first used, so that ``import chaffinch`` is quick.
"""

import importlib
from typing import TYPE_CHECKING, Any

from chaffinch.core.version import VERSION

__version__ = VERSION

_HOMES = {
    "Edit": "chaffinch.core.edit",
    "Findings": "chaffinch.core.findings",
    "Ledger": "chaffinch.store.ledger",
    "Plan": "chaffinch.repair.plan",
    "Run": "chaffinch.runs.run",
    "attribute": "chaffinch.influence",
    "attribute_prompts": "chaffinch.pipeline.attribute",
    "calibrate": "chaffinch.pipeline.calibrate",
    "check": "chaffinch.checks.run",
    "consensus": "chaffinch.tasks.annotators",
    "check_prompts": "chaffinch.diagnosis.prompt_check",
    "open_prompts": "chaffinch.data.prompt",
    "encode": "chaffinch.encoders",
    "explain": "chaffinch.pipeline.explain",
    "forget": "chaffinch.repair.forgetting",
    "judge": "chaffinch.runs.judge",
    "open_data": "chaffinch.data",
    "outlier_gradients": "chaffinch.runs.outlier_gradients",
    "propose": "chaffinch.repair.proposal",
    "readmit": "chaffinch.repair.quarantine",
    "scan": "chaffinch.runs.scan",
    "self_influence": "chaffinch.influence",
    "verify": "chaffinch.pipeline.verification",
    "watch": "chaffinch.runs.watch",
    "with_ids": "chaffinch.training.watching.identified",
}
_PACKAGES = ("bench", "corruptions", "gradients", "influence", "losses", "repair", "scorers")

__all__ = [
    "Edit",
    "Findings",
    "Ledger",
    "Plan",
    "Run",
    "attribute",
    "attribute_prompts",
    "calibrate",
    "check",
    "check_prompts",
    "consensus",
    "corruptions",
    "encode",
    "explain",
    "forget",
    "gradients",
    "influence",
    "judge",
    "losses",
    "open_data",
    "open_prompts",
    "outlier_gradients",
    "propose",
    "readmit",
    "repair",
    "scan",
    "scorers",
    "self_influence",
    "verify",
    "watch",
    "with_ids",
]

if TYPE_CHECKING:
    from chaffinch import corruptions, gradients, influence, losses, repair, scorers
    from chaffinch.checks.run import check
    from chaffinch.core.edit import Edit
    from chaffinch.core.findings import Findings
    from chaffinch.data import open_data
    from chaffinch.data.prompt import open_prompts
    from chaffinch.diagnosis.prompt_check import check_prompts
    from chaffinch.encoders import encode
    from chaffinch.influence import attribute, self_influence
    from chaffinch.pipeline.attribute import attribute_prompts
    from chaffinch.pipeline.calibrate import calibrate
    from chaffinch.pipeline.explain import explain
    from chaffinch.pipeline.verification import verify
    from chaffinch.repair import forget, propose, readmit
    from chaffinch.repair.plan import Plan
    from chaffinch.runs.judge import judge
    from chaffinch.runs.outlier_gradients import outlier_gradients
    from chaffinch.runs.run import Run
    from chaffinch.runs.scan import scan
    from chaffinch.runs.watch import watch
    from chaffinch.store.ledger import Ledger
    from chaffinch.tasks.annotators import consensus
    from chaffinch.training.watching.identified import with_ids


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return importlib.import_module(f"chaffinch.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'chaffinch' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
