"""Plans of repair: proposing them, applying them to a copy of the data, and forgetting samples."""

from chaffinch.repair.difference import difference
from chaffinch.repair.forgetting import forget
from chaffinch.repair.plan import apply
from chaffinch.repair.policy import POLICIES, Policy, find_policy
from chaffinch.repair.proposal import propose
from chaffinch.repair.quarantine import readmit
from chaffinch.repair.trimming import Trimming

__all__ = [
    "POLICIES",
    "Policy",
    "Trimming",
    "apply",
    "difference",
    "find_policy",
    "forget",
    "propose",
    "readmit",
]
