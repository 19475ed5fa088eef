"""What to make of prompts and responses: probabilities of kinds, by texts and by a model's losses.

Whether a response follows from its prompt is told by how much the prompt lowers its loss (the
difference of the two losses that Li et al., NAACL 2024, divide). How that looks for responses that
do not follow is known, too: it is measured on the same responses after the prompts of others.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.isotonic import IsotonicRegression

from chaffinch.core import kinds
from chaffinch.core.findings import COLUMNS, Findings
from chaffinch.core.types import Floats, Mask
from chaffinch.diagnosis.prompt_faults import DAMAGES
from chaffinch.diagnosis.selection import Threshold, q_values

CLASS = "response"
"""The one class of samples without labels."""

LEAST_SAMPLES = 50
LEAST_SEPARATION = 0.75
"""AUROC of others' prompts against own ones below which a model tells too little to judge by."""

_MEANING = (
    "These samples have no labels: a wrong label here is a response that does not follow from its "
    "prompt, and what is foreign is empty or damaged or stands in the test set."
)

_LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True, eq=False)
class ResponseLosses:
    """Mean losses of the tokens of N responses, in nats a token.

    Attributes:
        given: (N,) after their prompts.
        alone: (N,) without a prompt.
        shuffled: (N,) after the prompt of another sample.
    """

    given: Floats
    alone: Floats
    shuffled: Floats

    @property
    def misfit(self) -> Floats:
        """(N,) loss after the prompt minus loss alone; higher = follows less from its prompt."""
        found: Floats = (self.given - self.alone).astype(np.float64)
        return found


def judge_prompts(
    checks: pd.DataFrame, losses: ResponseLosses | None, threshold: Threshold
) -> Findings:
    """Judge prompts and responses.

    Args:
        checks: What `check_prompts` found, N rows.
        losses: Losses of the responses under a causal model, or None.
        threshold: The rule by which samples are flagged.

    Returns:
        Findings of one class. Empty or damaged responses and prompts of the test set are outliers,
        responses that contradict those to nearly the same prompt conflicting duplicates, responses
        that do not follow from their prompts, refuse or break off mislabelled.
    """
    blank = checks["empty_response"].to_numpy(np.bool_)
    wrong, notes = _wrong(losses, blank)
    probabilities = _probabilities(checks, wrong)
    places = [kinds.place(name) for name in kinds.HARMFUL]
    suspicion: Floats = probabilities[:, places].sum(axis=1)
    q = q_values(suspicion)
    flagged = threshold.flag(suspicion, q) & (suspicion > 0)
    # Of equals, the kind that is named first: those that do harm stand before clean.
    place = _likeliest(probabilities, flagged, places)
    kind = np.asarray(kinds.KINDS)[place]
    columns: dict[str, Any] = {
        "id": checks["id"].to_numpy(),
        "given_label": np.full(len(checks), CLASS),
        "suspicion": suspicion,
        "flagged": flagged,
        "kind": kind,
        "kind_probability": probabilities[np.arange(len(kind)), place],
        "suggested_label": np.full(len(checks), None, dtype=object),
        "suggestion_confidence": np.full(len(checks), np.nan),
        "q_value": q,
        **dict(zip(kinds.PROBABILITY_COLUMNS, probabilities.T, strict=True)),
        "stability": np.full(len(checks), np.nan),
        "why": _sentences(checks, kind, losses),
        "response_mismatch": checks["mismatch"].to_numpy(np.float64),
    }
    if losses is not None:
        columns |= {"response_loss": losses.given, "prompt_misfit": losses.misfit}
    table = pd.DataFrame(columns)
    found = [name for name in table.columns if name not in COLUMNS]
    return Findings(
        table[[*COLUMNS, *found]],
        np.asarray([CLASS]),
        float(suspicion.sum()),
        notes=(_MEANING, *_counts(checks), *notes),
    )


def _wrong(losses: ResponseLosses | None, blank: Mask) -> tuple[Floats | None, tuple[str, ...]]:
    """(N,) probability that a response does not follow from its prompt; None if not known."""
    if losses is None:
        return None, (
            "No model was given, so only the texts were compared: whether a response follows from "
            "its prompt was not judged, and no rate of wrong responses was estimated.",
        )
    here = ~blank
    own, other = losses.misfit[here], (losses.shuffled - losses.alone)[here].astype(np.float64)
    if len(own) < LEAST_SAMPLES:
        return None, (
            f"Fewer than {LEAST_SAMPLES} responses are too few to say how many do not follow from "
            "their prompts; sort by prompt_misfit.",
        )
    separation = _auroc(own, other)
    if separation < LEAST_SEPARATION:
        return None, (
            "The model finds the responses hardly more likely after their own prompts than after "
            f"others' (AUROC {separation:.2f}), so none was judged by it: either it is too weak "
            "or untrained for these data, or most responses do not depend on their prompts.",
        )
    wrong = np.zeros(len(blank))
    wrong[here] = wrong_responses(own, other)
    return wrong, ()


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


def _probabilities(checks: pd.DataFrame, wrong: Floats | None) -> Floats:
    """(N, 9) of the kinds."""
    count = len(checks)
    damaged = checks["fault"].str.startswith(DAMAGES).to_numpy(np.bool_)
    fault = checks["fault_chance"].to_numpy(np.float64)
    blank = checks["empty_response"].to_numpy(np.float64)
    foreign = np.maximum(np.maximum(blank, checks["leak"]), np.where(damaged, fault, 0.0))
    contradiction = checks["contradiction"].to_numpy(np.float64)
    unrelated = np.maximum(checks["swapped"], np.where(damaged, 0.0, fault))
    if wrong is not None:  # a model tells which of two responses is the wrong one
        contradiction = np.where(contradiction > 0, wrong, 0.0)
        unrelated = np.maximum(unrelated, wrong)
    contradicted = (contradiction > 0) & (contradiction >= unrelated)
    rest = 1 - foreign
    doubt = rest * np.maximum(contradiction, unrelated)
    copy = checks["duplicate_of"].to_numpy() != ""
    found = np.zeros((count, len(kinds.KINDS)))
    found[:, kinds.place(kinds.OUTLIER)] = foreign
    found[:, kinds.place(kinds.CONFLICTING_DUPLICATE)] = np.where(contradicted, doubt, 0)
    found[:, kinds.place(kinds.MISLABELLED)] = np.where(contradicted, 0, doubt)
    found[:, kinds.place(kinds.NEAR_DUPLICATE)] = np.where(copy, rest - doubt, 0)
    found[:, kinds.place(kinds.CLEAN)] = np.where(copy, 0, rest - doubt)
    return found


def _likeliest(probabilities: Floats, flagged: Mask, harmful: Sequence[int]) -> Any:
    """(N,) places of kinds; of what is flagged the likeliest kind of harm, be it below one half."""
    only = np.zeros_like(probabilities)
    only[:, harmful] = probabilities[:, harmful]
    return np.where(flagged, only.argmax(axis=1), probabilities.argmax(axis=1))


def _sentences(
    checks: pd.DataFrame, kind: Sequence[str] | Any, losses: ResponseLosses | None
) -> list[str]:
    told = []
    rows = zip(checks.to_dict("records"), kind, strict=True)
    for place, (row, name) in enumerate(rows):
        parts = _evidence(row, str(name))
        if losses is not None and name in kinds.WRONG_LABEL:
            parts.append(
                f"a token of its response costs {losses.given[place]:.2f} nats after the prompt "
                f"and {losses.alone[place]:.2f} without one"
            )
        sentence = "; ".join(parts)
        told.append(sentence[:1].upper() + sentence[1:] + "." if sentence else "")
    return told


def _evidence(row: dict[Hashable, Any], kind: str) -> list[str]:
    """What the texts say of one sample, a clause each."""
    parts = []
    if row["empty_response"]:
        parts.append("its response is empty")
    if row["test_prompt"]:
        how = "" if row["leak"] >= 1 else "nearly "
        parts.append(f"its prompt is {how}that of the test sample {row['test_prompt']}")
    if row["contradicts"] and kind == kinds.CONFLICTING_DUPLICATE:
        parts.append(
            f"the response to nearly the same prompt in {row['contradicts']} says otherwise"
        )
    if row["swapped_with"] and kind != kinds.CLEAN:
        parts.append(
            f"its response takes rare words from the prompt of {row['swapped_with']} and "
            "hardly any from its own"
        )
    parts += [f"its response {one}" for one in row["fault_evidence"].split("; ") if one]
    if row["duplicate_of"] and kind != kinds.CLEAN:
        parts.append(f"prompt and response are nearly those of {row['duplicate_of']}")
    return parts


def _counts(checks: pd.DataFrame) -> tuple[str, ...]:
    """What the texts alone say, in figures."""
    blank = int(checks["empty_response"].sum())
    again = int((checks["duplicate_of"] != "").sum())
    faults = Counter(name for told in checks["fault"] for name in told.split(", ") if name)
    counts = {
        _plural(blank, "empty response"): blank,
        _plural(again, "near-duplicate") + " of earlier samples": again,
        "with a response that another one to nearly the same prompt contradicts": int(
            (checks["contradicts"] != "").sum()
        ),
        "with a prompt of the test set": int((checks["test_prompt"] != "").sum()),
        "with a response that seems to belong to another prompt": int(
            (checks["swapped_with"] != "").sum()
        ),
        **{f"with the fault {name}": number for name, number in sorted(faults.items())},
    }
    named = [f"{number:,} {name}" for name, number in counts.items() if number]
    habits = tuple(checks.attrs.get("habits", ()))
    return (f"Found in the texts: {', '.join(named)}.", *habits) if named else habits


def _plural(number: int, name: str) -> str:
    return name if number == 1 else f"{name}s"
