"""Losses that resist wrong labels, each in place of ``torch.nn.CrossEntropyLoss``."""

from chaffinch.losses.active_passive import ActivePassive
from chaffinch.losses.asymmetric import Asymmetric
from chaffinch.losses.backward_correction import BackwardCorrection
from chaffinch.losses.bi_tempered import BiTempered
from chaffinch.losses.binary_cross_entropy import TAG_LOSSES, BinaryCrossEntropy
from chaffinch.losses.blurry import Blurry
from chaffinch.losses.cores2 import CORES2
from chaffinch.losses.cross_entropy import LOSSES, CrossEntropy
from chaffinch.losses.distribution_balanced import DistributionBalanced
from chaffinch.losses.early_learning import EarlyLearningRegularization
from chaffinch.losses.forward_correction import ForwardCorrection
from chaffinch.losses.generalized_cross_entropy import GeneralizedCrossEntropy
from chaffinch.losses.label_smoothing import LabelSmoothing
from chaffinch.losses.mixup import mixup
from chaffinch.losses.peer import Peer
from chaffinch.losses.piecewise_zero import PiecewiseZero
from chaffinch.losses.symmetric_cross_entropy import SymmetricCrossEntropy
from chaffinch.losses.transition import transition_from_anchors, transition_from_joint

__all__ = [
    "CORES2",
    "LOSSES",
    "TAG_LOSSES",
    "ActivePassive",
    "Asymmetric",
    "BackwardCorrection",
    "BiTempered",
    "BinaryCrossEntropy",
    "Blurry",
    "CrossEntropy",
    "DistributionBalanced",
    "EarlyLearningRegularization",
    "ForwardCorrection",
    "GeneralizedCrossEntropy",
    "LabelSmoothing",
    "Peer",
    "PiecewiseZero",
    "SymmetricCrossEntropy",
    "mixup",
    "transition_from_anchors",
    "transition_from_joint",
]
