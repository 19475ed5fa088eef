"""When a sample is learned and how often it is forgotten."""

import numpy as np

from chaffinch.core.evidence import Evidence
from chaffinch.core.scorer import scorer
from chaffinch.core.types import Floats, Mask
from chaffinch.scorers.dynamics.loss import right_by_epoch

_LATE_STOPPING = "Yuan et al., Late Stopping, ICCV 2023"
RUN_LENGTH = 3


def forgetting_events(right: Mask) -> Floats:
    """How often the given label was predicted after one epoch and not after the next.

    Args:
        right: (E, N) whether the given label was predicted.

    Returns:
        (N,) counts, 0..E/2; E for samples that were never learned.
    """
    events = (right[:-1] & ~right[1:]).sum(axis=0).astype(np.float64)
    return np.where(right.any(axis=0), events, float(len(right)))


def first_learned(right: Mask, length: int = 1) -> Floats:
    """The epoch, from 0, that begins the first run of ``length`` right predictions.

    Args:
        right: (E, N) whether the given label was predicted.
        length: Right predictions in a row that make a sample learned; at most E are asked for.

    Returns:
        (N,) epochs; E for samples that were never learned.
    """
    length = min(length, len(right))
    starts = len(right) - length + 1
    runs = np.logical_and.reduce([right[skip : skip + starts] for skip in range(length)])
    return np.where(runs.any(axis=0), runs.argmax(axis=0), len(right)).astype(np.float64)


def _right(evidence: Evidence) -> Mask:
    return right_by_epoch(evidence.need("logits"), evidence.labels.codes)


@scorer(
    "forgetting",
    family="dynamics",
    needs=("logits",),
    paper="Toneva et al., Example Forgetting, ICLR 2019",
)
def forgetting(evidence: Evidence, _seed: int) -> Floats:
    """How often the given label was right after an epoch and wrong after the next; E if never."""
    return forgetting_events(_right(evidence))


@scorer("first_learned_epoch", family="dynamics", needs=("logits",), paper=_LATE_STOPPING)
def first_learned_epoch(evidence: Evidence, _seed: int) -> Floats:
    """The first epoch after which the given label was predicted; E if never."""
    return first_learned(_right(evidence))


@scorer("first_learned_run", family="dynamics", needs=("logits",), paper=_LATE_STOPPING)
def first_learned_run(evidence: Evidence, _seed: int) -> Floats:
    """The epoch that begins the first three right predictions in a row; E if there are none."""
    return first_learned(_right(evidence), RUN_LENGTH)
