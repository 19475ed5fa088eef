"""What competes: the policies, single ways of repair, and controls."""

from collections.abc import Callable, Iterable

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.experiments.retraining import most_suspicious
from benchmarks.method import METHODS
from benchmarks.situation import Situation
from chaffinch.core.dataset import Dataset
from chaffinch.core.errors import InputError
from chaffinch.core.findings import Findings
from chaffinch.core.randomness import stream
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.data import TensorData
from chaffinch.repair.effect import Effect, resolve
from chaffinch.repair.plan import Plan
from chaffinch.repair.policy import POLICIES, Policy
from chaffinch.repair.proposal import propose_from
from chaffinch.repair.rows import Rows

NONE, ORACLE = "none", "oracle trim"
FOREST_SHARE = 0.1
"""Share that Outlier Gradient Analysis takes out (Chhabra et al., ICML 2025)."""

_TRIM = Policy(
    mislabelled="trim",
    conflicting_duplicate="trim",
    ambiguous="trim",
    soften_from=1.0,
    reweight_from=1.0,
)
_RELABEL = Policy(
    ambiguous="keep",
    far_cluster="keep",
    outlier="keep",
    unsure="keep",
    relabel_confidence=0.0,
    soften_from=1.0,
    reweight_from=1.0,
)
_DOWN = Policy(
    mislabelled="reweight",
    conflicting_duplicate="reweight",
    ambiguous="reweight",
    far_cluster="reweight",
    outlier="reweight",
    soften_from=1.0,
    reweight_from=0.02,
)

PLANS: dict[str, Policy] = {
    "chaffinch balanced": POLICIES["balanced"],
    "chaffinch gentle": POLICIES["gentle"],
    "chaffinch strict": POLICIES["strict"],
    "chaffinch trim": _TRIM,
    "chaffinch relabel": _RELABEL,
    "chaffinch down-weight": _DOWN,
}
"""Ways of the tool: its policies; then all that is flagged trimmed, relabelled or weighed down."""

TRIMMERS = ("loss_mean", "gradient_forest", "cleanlab self_confidence")
TRIMMED = (0.05, 0.125)
RIVALS: dict[str, tuple[str, float | None]] = {
    **{f"{name} trim {share:.3g}": (name, share) for name in TRIMMERS for share in TRIMMED},
    "cleanlab self_confidence trim own": ("cleanlab self_confidence", None),
}
"""Trimming by the scores of other methods: the method, and the share of the samples that is left
out; None for what the method itself flags."""

ABOUT = {
    **{f"chaffinch {name}": f"The plan of `propose --policy {name}`" for name in POLICIES},
    "chaffinch trim": "All that the tool flags left out",
    "chaffinch relabel": "All that it flags as mislabelled given the suggested label, sure or not",
    "chaffinch down-weight": "Every sample counts 1 - suspicion",
    "gradient forest trim": "The 10 % that an isolation forest on gradients finds oddest left out",
    "random trim": "As many samples left out at random as have a glitch",
    ORACLE: "Just the samples with a glitch left out",
    "oracle relabel": "The right label for every sample that has one; the others left out",
    NONE: "The data as they are",
    **{
        name: f"The {100 * share:g} % that `{method}` finds worst left out"
        for name, (method, share) in RIVALS.items()
        if share is not None
    },
    "cleanlab self_confidence trim own": "What `cleanlab self_confidence` flags left out",
}
"""One line about each contestant."""

CONTESTANTS = (*PLANS, "gradient forest trim", "random trim", ORACLE, "oracle relabel", NONE)


def dataset_of(situation: Situation) -> Dataset:
    """The ids and labels of a situation as a data set; its samples are their numbers."""
    evidence = situation.evidence
    rows = torch.arange(len(evidence))[:, None]
    return TensorData.of(rows, evidence.labels, ids=evidence.ids)


def plans_for(names: Iterable[str], findings: Findings, situation: Situation) -> dict[str, Plan]:
    """The plans of those of `PLANS` that are named; the second look is taken once for all."""
    evidence = situation.evidence
    rows = Rows.of(findings, evidence)
    return {
        name: propose_from(rows, findings, PLANS[name], evidence) for name in names if name in PLANS
    }


def effect_for(name: str, situation: Situation, plans: dict[str, Plan], seed: int) -> Effect:
    """What a contestant does to the samples."""
    if name in plans:
        return resolve(plans[name].edits, dataset_of(situation))
    codes = situation.evidence.labels.codes
    if name in RIVALS:
        return _effect(~_pointed_at(RIVALS[name], situation, seed), codes)
    return _CONTROLS[name](situation, codes, seed)


def _pointed_at(rival: tuple[str, float | None], situation: Situation, seed: int) -> Mask:
    method, share = rival
    scored = METHODS[method].function(situation, seed)
    if share is not None:
        return most_suspicious(scored.scores, share, seed)
    if scored.flagged is None:
        raise InputError("a method with a threshold of its own", repr(method), "Name a share")
    return scored.flagged


def _nothing(_situation: Situation, codes: Codes, _seed: int) -> Effect:
    return _effect(np.ones(len(codes), np.bool_), codes)


def _oracle_trim(situation: Situation, codes: Codes, _seed: int) -> Effect:
    return _effect(~situation.errors, codes)


def _oracle_relabel(situation: Situation, codes: Codes, _seed: int) -> Effect:
    """The right classes; samples that no class fits are left out."""
    return _effect(situation.truth >= 0, np.where(situation.truth >= 0, situation.truth, codes))


def _random_trim(situation: Situation, codes: Codes, seed: int) -> Effect:
    """As many samples at random as there are errors."""
    drawn = stream(seed, "random trim").permutation(len(codes))
    kept = np.ones(len(codes), np.bool_)
    kept[drawn[: int(situation.errors.sum())]] = False
    return _effect(kept, codes)


def _forest_trim(situation: Situation, codes: Codes, seed: int) -> Effect:
    scores = METHODS["gradient_forest"].function(situation, seed).scores
    return _effect(~most_suspicious(scores, FOREST_SHARE, seed), codes)


_CONTROLS: dict[str, Callable[[Situation, Codes, int], Effect]] = {
    NONE: _nothing,
    ORACLE: _oracle_trim,
    "oracle relabel": _oracle_relabel,
    "random trim": _random_trim,
    "gradient forest trim": _forest_trim,
}


def _effect(kept: Mask, codes: Codes) -> Effect:
    count = len(codes)
    still: NDArray[np.int64] = np.zeros(count, np.int64)
    weights: Floats = np.ones(count)
    outside: Mask = np.zeros(count, np.bool_)
    return Effect(kept, codes.copy(), weights, None, still, outside, np.arange(count))
