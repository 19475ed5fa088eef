"""Whether responses follow from their prompts, by the losses of a causal model.

Whether a response follows from its prompt is told by how much the prompt lowers its loss (the
difference of the two losses that Li et al., NAACL 2024, divide). How that looks for responses that
do not follow is known, too: it is measured on the same responses after the prompts of others.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata
from sklearn.isotonic import IsotonicRegression

from chaffinch.core.types import Codes, Floats, Mask

LEAST_SAMPLES = 50
LEAST_SEPARATION = 0.75
"""AUROC of others' prompts against own ones below which a model tells too little to judge by."""

_LENGTHS = (3, 16)
_LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True, eq=False)
class ResponseLosses:
    """Mean losses of the tokens of N responses, in nats a token.

    Attributes:
        given: (N,) after their prompts.
        alone: (N,) without a prompt.
        shuffled: (N,) after the prompt of another sample.
        tokens: (N,) how many tokens each loss is the mean of; None for no matter how many.
    """

    given: Floats
    alone: Floats
    shuffled: Floats
    tokens: Codes | None = None

    @property
    def misfit(self) -> Floats:
        """(N,) loss after the prompt minus loss alone; higher = follows less from its prompt."""
        found: Floats = (self.given - self.alone).astype(np.float64)
        return found


def unrelated_responses(
    losses: ResponseLosses | None, blank: Mask
) -> tuple[Floats | None, tuple[str, ...]]:
    """How likely each response does not follow from its prompt.

    Args:
        losses: Losses of N responses, or None without a model.
        blank: (N,) whether a sample has no response.

    Returns:
        (N,) probabilities, NaN for samples of which that is not known, or None if it is known of
        none; and notes that say why.
    """
    if losses is None:
        return None, (
            "No model was given, so only the texts were compared: whether a response follows from "
            "its prompt was judged by their words alone.",
        )
    here = np.flatnonzero(~blank)
    own, other = losses.misfit[here], (losses.shuffled - losses.alone)[here].astype(np.float64)
    if len(own) < LEAST_SAMPLES:
        return None, (
            f"Fewer than {LEAST_SAMPLES} responses are too few to say how many do not follow from "
            "their prompts; sort by prompt_misfit.",
        )
    wrong, notes = np.full(len(blank), np.nan), []
    groups = _of_like_length(None if losses.tokens is None else losses.tokens[here], len(here))
    for name, rows in groups:
        separation = _auroc(own[rows], other[rows])
        if separation >= LEAST_SEPARATION:
            wrong[here[rows]] = wrong_responses(own[rows], other[rows])
            continue
        notes.append(
            f"The model finds the {name} hardly more likely after their own prompts than after "
            f"others' (AUROC {separation:.2f}), so none was judged by it: either it is too weak "
            "or untrained for these data, or most responses do not depend on their prompts."
        )
    return (None if np.isnan(wrong).all() else wrong), tuple(notes)


def _of_like_length(tokens: Codes | None, count: int) -> list[tuple[str, Codes]]:
    """Groups of responses whose losses are means of about as many tokens.

    The mean of one or two tokens varies far more than that of many: measured against long
    responses, short ones would be accused for being short.
    """
    if tokens is None:
        return [("responses", np.arange(count))]
    bounds, groups = [*_LENGTHS, np.inf], []
    begin = 0.0
    for end in bounds:
        rows = np.flatnonzero((tokens > begin) & (tokens <= end))
        rest = int((tokens > end).sum())
        if len(rows) >= LEAST_SAMPLES and (rest >= LEAST_SAMPLES or not rest):
            groups.append((f"responses of {begin + 1:.0f} to {end:.0f} tokens", rows))
            begin = end
    rows = np.flatnonzero(tokens > begin)
    if len(rows):
        groups.append((f"responses of more than {begin:.0f} tokens", rows))
    return groups if len(groups) > 1 else [("responses", np.arange(count))]


def wrong_responses(own: Floats, other: Floats) -> Floats:
    """How likely each misfit comes from a response that does not follow from its prompt.

    The observed misfits are a mixture of those of right responses and of wrong ones, and the latter
    look like those after others' prompts. The share of wrong ones is at most the ratio of both
    counts above any bound (Blanchard et al., JMLR 2010); the density ratio is an isotonic
    regression of where a misfit comes from, so the probability never falls with the misfit. Between
    the middles of its steps it is drawn as a line: of few samples, a step would hold many that
    their misfits tell apart.

    Args:
        own: (N,) misfits to the own prompts, higher = less fitting.
        other: (K,) misfits to others' prompts.

    Returns:
        (N,) probabilities.
    """
    bounds = np.quantile(other, _LEVELS)
    ratios = [
        ((own >= bound).sum() + 1) / len(own) / max(float((other >= bound).mean()), 1e-12)
        for bound in bounds
    ]
    share = min(1.0, *ratios)
    values = np.concatenate([own, other])
    origin = np.repeat([0.0, 1.0], [len(own), len(other)])
    weights = np.repeat([1 / len(own), 1 / len(other)], [len(own), len(other)])
    model = IsotonicRegression(out_of_bounds="clip").fit(values, origin, sample_weight=weights)
    foreign = np.interp(own, *_middles(values, model.predict(values), weights))
    found: Floats = np.minimum(1.0, share * foreign / np.maximum(1 - foreign, 1e-12))
    return found


def _middles(values: Floats, steps: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Mean value and height of each step of a step function."""
    heights, place = np.unique(steps, return_inverse=True)
    total = np.bincount(place, weights)
    return np.bincount(place, weights * values) / total, heights


def _auroc(own: Floats, other: Floats) -> float:
    """The chance that a misfit to another's prompt is the larger one."""
    ranks = rankdata(np.concatenate([own, other]))[len(own) :]
    return float((ranks.mean() - (len(other) + 1) / 2) / len(own))
