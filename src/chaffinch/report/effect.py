"""What each repair is expected to do, by the probabilities that the findings hold."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from chaffinch.core import kinds
from chaffinch.core.types import Floats, Mask
from chaffinch.report import wording


@dataclass(frozen=True)
class Effect:
    """One way to repair the flagged samples.

    Attributes:
        name: What is done.
        samples: To how many samples.
        mended: How many harmful samples are expected to be gone, as text.
        spoilt: What it is expected to cost, as text.
        left: How many harmful samples are expected to stay in the whole set, as text.
    """

    name: str
    samples: int
    mended: str
    spoilt: str
    left: str


def effects(findings: pd.DataFrame, *, labelled: bool = True) -> tuple[Effect, ...]:
    """The expected effect of relabelling, removing and keeping only one of near-duplicates.

    Suspicion is the probability that a sample does harm, and confidence that the suggested label
    is right. Whether a model gets better by it, only a training on held-out data tells.

    Args:
        findings: The samples that were judged.
        labelled: Whether they have labels.
    """
    suspicion = findings["suspicion"].to_numpy(np.float64)
    flagged = findings["flagged"].to_numpy(np.bool_)
    found = []
    if labelled:
        sure = findings["suggestion_confidence"].to_numpy(np.float64, na_value=np.nan)
        usable = flagged & findings["suggested_label"].notna().to_numpy() & np.isfinite(sure)
        if "kind" in findings and findings["kind"].notna().any():
            usable &= findings["kind"].isin(kinds.WRONG_LABEL).to_numpy()
        if usable.any():
            found.append(_relabel(suspicion, usable, sure))
    if flagged.any():
        found.append(_remove(suspicion, flagged))
    return tuple(found)


def _relabel(suspicion: Floats, usable: Mask, sure: Floats) -> Effect:
    right = np.minimum(sure[usable], suspicion[usable])
    mended, spoilt = float(right.sum()), float((1 - suspicion[usable]).sum())
    left = float(suspicion.sum()) - mended + spoilt
    return Effect(
        "Relabel as suggested, where the label is wrong",
        int(usable.sum()),
        wording.about(mended),
        f"{wording.about(spoilt)} right labels made wrong",
        wording.about(left),
    )


def _remove(suspicion: Floats, flagged: Mask) -> Effect:
    gone, lost = float(suspicion[flagged].sum()), float((1 - suspicion[flagged]).sum())
    return Effect(
        "Remove all that are flagged",
        int(flagged.sum()),
        wording.about(gone),
        f"{wording.about(lost)} good samples lost",
        wording.about(float(suspicion[~flagged].sum())),
    )
