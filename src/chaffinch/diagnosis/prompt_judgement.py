"""What to make of prompts and responses: probabilities of kinds, by texts and by a model."""

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from chaffinch.core import kinds
from chaffinch.core.findings import COLUMNS, Findings
from chaffinch.core.types import Floats, Mask
from chaffinch.diagnosis.prompt_faults import DAMAGES
from chaffinch.diagnosis.response_losses import ResponseLosses, unrelated_responses
from chaffinch.diagnosis.selection import Threshold, q_values

CLASS = "response"
"""The one class of samples without labels."""

_MEANING = (
    "These samples have no labels: a wrong label here is a response that does not follow from its "
    "prompt, and what is foreign is empty or damaged or stands in the test set."
)


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
    wrong, notes = unrelated_responses(losses, blank)
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
        table[[*(name for name in COLUMNS if name in table), *found]],
        np.asarray([CLASS]),
        float(suspicion.sum()),
        notes=(_MEANING, *_counts(checks), *notes),
    )


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
        known = ~np.isnan(wrong)
        contradiction = np.where(known, np.where(contradiction > 0, wrong, 0.0), contradiction)
        unrelated = np.where(known, np.fmax(wrong, np.where(damaged, 0.0, fault)), unrelated)
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
