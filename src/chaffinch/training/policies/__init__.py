"""Policies that act on the loss of single samples while a model trains; one file each."""

from chaffinch.training.policies.bootstrap import Bootstrap
from chaffinch.training.policies.clip import Clip
from chaffinch.training.policies.influence import InfluenceWeights
from chaffinch.training.policies.policy import POLICIES, Decision, Policy, PolicyBatch, policy
from chaffinch.training.policies.posterior import Posterior
from chaffinch.training.policies.quarantine import Quarantine
from chaffinch.training.policies.rebalance import Rebalance
from chaffinch.training.policies.revise import Revise
from chaffinch.training.policies.sift import Sift
from chaffinch.training.policies.small_loss import SmallLoss

__all__ = [
    "POLICIES",
    "Bootstrap",
    "Clip",
    "Decision",
    "InfluenceWeights",
    "Policy",
    "PolicyBatch",
    "Posterior",
    "Quarantine",
    "Rebalance",
    "Revise",
    "Sift",
    "SmallLoss",
    "policy",
]
