"""`judge`: findings from evidence that the user has already."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from chaffinch.core.evidence import Evidence
from chaffinch.core.fault import Fault
from chaffinch.core.findings import Findings
from chaffinch.core.kinds import UNREADABLE
from chaffinch.core.label_variants import label_notes
from chaffinch.core.option import real, typed, whole
from chaffinch.core.types import Floats, Mask
from chaffinch.data.usable import set_aside
from chaffinch.diagnosis.judgement import judge_evidence
from chaffinch.diagnosis.label_noise import Assumption
from chaffinch.diagnosis.selection import Rule, Threshold
from chaffinch.pipeline.aside import with_set_aside
from chaffinch.pipeline.judge_inputs import JudgeInputs, names_of, validation_records
from chaffinch.pipeline.judged import About, Judging, Opening, made_of_evidence
from chaffinch.pipeline.keeping import Place
from chaffinch.pipeline.outcome import Result
from chaffinch.pipeline.run_data import OF_EVIDENCE


def judge(
    labels: Iterable[Any],
    probabilities: ArrayLike | None = None,
    embeddings: ArrayLike | None = None,
    logits: ArrayLike | None = None,
    *,
    ids: Iterable[Any] | None = None,
    validation: Mapping[str, Any] | None = None,
    groups: ArrayLike | None = None,
    scorers: str | Sequence[str] | None = None,
    select: Rule = "f1",
    fdr: float = 0.1,
    assume: Assumption = "auto",
    strict: bool = False,
    seed: int = 0,
    data: Any = None,
    opening: Opening | None = None,
    place: Place | None = None,
) -> Result:
    """Do what `chaffinch.judge` promises, without making a `Run` of it.

    Args:
        labels: As there, like all that follows.
        probabilities: As there.
        embeddings: As there.
        logits: As there.
        ids: As there.
        validation: As there.
        groups: As there.
        scorers: As there.
        select: As there.
        fdr: As there.
        assume: As there.
        strict: As there.
        seed: As there.
        data: As there.
        opening: How the data are opened.
        place: Where the run is kept; None for memory.

    Raises:
        InputError: Whatever cannot be judged.
        RunError: The place holds another run.
    """
    threshold = Threshold(select, real("fdr", fdr))
    seed, scorers = whole("seed", seed), names_of(scorers)
    strict = typed("strict", bool, strict)
    given = JudgeInputs(labels, ids)
    arrays = {
        "probabilities": given.outputs(probabilities, "probabilities"),
        "embeddings": given.features(embeddings),
        "logits": given.outputs(logits, "logits"),
    }
    told = given.labels
    about = About.of(data, opening, ids is not None, given)
    aside = set_aside(about.ids, told, _not_finite(arrays, len(told)))
    if strict or len(aside.faults) == len(told):
        aside.refuse("the evidence")
    rows = aside.usable
    apart = given.groups(groups)
    held_out, space, trained = (_judged(array, rows, name) for name, array in arrays.items())
    judged = told.take(rows)
    judged.check_trainable()
    evidence = Evidence(
        about.ids[rows],
        judged,
        logits=trained,
        held_out_logits=held_out,
        embeddings=space,
        groups=None if apart is None else apart.take(rows),
        **validation_records(validation, judged, given.notes),
    )

    def find() -> Findings:
        found = judge_evidence(evidence, scorers, seed, threshold=threshold, assume=assume)
        notes = (*about.notes, *given.notes, *label_notes(judged), *found.notes)
        return about.placed(with_set_aside(replace(found, notes=notes), aside))

    chosen = {"select": select, "fdr": fdr, "assume": assume}
    configuration = {"of": OF_EVIDENCE, "scorers": scorers, **chosen, **about.opening}
    return made_of_evidence(Judging(evidence, configuration, seed, about), find, place)


def _not_finite(arrays: Mapping[str, Floats | None], count: int) -> dict[int, Fault]:
    """Why samples cannot be judged, by position."""
    found: dict[int, Fault] = {}
    for name, array in arrays.items():
        axis = _axis(name)
        if array is not None and _fits(array, axis, count):
            others = tuple(one for one in range(array.ndim) if one != axis)
            bad = np.flatnonzero(~np.isfinite(array).all(axis=others)).tolist()
            found |= dict.fromkeys(bad, Fault(UNREADABLE, f"{name} that are NaN or infinite"))
    return found


def _judged(array: Floats | None, rows: Mask, name: str) -> Floats | None:
    """The samples that are judged; an array of another length is for the evidence to refuse."""
    axis = _axis(name)
    if array is None or rows.all() or not _fits(array, axis, len(rows)):
        return array
    return array.compress(rows, axis=axis)


def _fits(array: Floats, axis: int, count: int) -> bool:
    return array.ndim > axis and array.shape[axis] == count


def _axis(name: str) -> int:
    """Where the samples lie: outputs have epochs before them."""
    return 0 if name == "embeddings" else 1
