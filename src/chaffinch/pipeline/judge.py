"""`judge`: findings from evidence that the user has already."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from chaffinch.core.errors import InputError
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
from chaffinch.diagnosis.selection import Threshold
from chaffinch.pipeline.aside import with_set_aside
from chaffinch.pipeline.judge_inputs import JudgeInputs, names_of, validation_records

_OPTIONS = frozenset({"ids", "scorers", "seed", "select", "fdr", "strict", "assume", "validation"})


def judge(
    labels: Iterable[Any],
    probabilities: ArrayLike | None = None,
    embeddings: ArrayLike | None = None,
    logits: ArrayLike | None = None,
    **options: Any,
) -> Findings:
    """Judge labels by evidence that you have already; nothing is trained.

    Args:
        labels: (N,) given labels of any type. Columns of arrays are the classes in sorted order;
            integer labels 0..C-1 may lack some classes. Columns of a DataFrame are matched with
            the classes by name, and its rows by index: with ``ids`` where there are some, else
            with the index of labels that are a Series. Rows under a plain index 0, 1, 2... are in
            order, unless ids or labels have the same numbers in another order: that is refused.
        probabilities: (N, C) predicted by models that did **not** train on the sample
            (cross-validation); rows sum to 1.
        embeddings: (N, K) model-free description of the samples, such as sentence embeddings.
        logits: (E, N, C) outputs during training on these labels, epoch by epoch; (N, C) counts
            as one epoch.
        **options: ``ids`` (N,), ``scorers`` (names), ``seed``, ``select`` and ``fdr``, the rule by
            which samples are flagged (`chaffinch.diagnosis.selection.Threshold`), and ``strict``,
            whether a sample that cannot be judged is an error. ``assume`` says what a label is:
            ``crisp`` where each sample has one right class, ``graded`` where labels are outcomes or
            opinions, ``auto`` to go by the evidence. ``validation`` is a mapping with the right
            ``labels`` (M,) of further samples, and the ``probabilities`` (M, C) and ``embeddings``
            (M, K) that the same models give for them.

    Returns:
        Findings, one row a sample. Samples without a label, with NaN or infinite values in any
        array, or alone in their class are among them, but not judged.

    Raises:
        InputError: Arrays of different lengths, probabilities that do not sum to one, labels that
            cannot be judged, or no evidence at all.
    """
    unknown = sorted(set(options) - _OPTIONS)
    if unknown:
        known = ", ".join(sorted(_OPTIONS))
        raise InputError(f"the options {known}", ", ".join(unknown), "Check the name")
    threshold = Threshold(options.get("select", "f1"), real("fdr", options.get("fdr", 0.1)))
    assume: Assumption = options.get("assume", "auto")
    seed = whole("seed", options.get("seed", 0))
    strict = typed("strict", bool, options.get("strict", False))
    given = JudgeInputs(labels, options.get("ids"))
    arrays = {
        "probabilities": given.outputs(probabilities, "probabilities"),
        "embeddings": given.features(embeddings),
        "logits": given.outputs(logits, "logits"),
    }
    told = given.labels
    aside = set_aside(given.ids, told, _not_finite(arrays, len(told)))
    if strict or len(aside.faults) == len(told):
        aside.refuse("the evidence")
    rows = aside.usable
    held_out, space, trained = (_judged(array, rows, name) for name, array in arrays.items())
    judged = told.take(rows)
    judged.check_trainable()
    evidence = Evidence(
        given.ids[rows],
        judged,
        logits=trained,
        held_out_logits=held_out,
        embeddings=space,
        **validation_records(options.get("validation"), judged, given.notes),
    )
    scorers = names_of(options.get("scorers"))
    found = judge_evidence(evidence, scorers, seed, threshold=threshold, assume=assume)
    notes = (*given.notes, *label_notes(judged))
    return with_set_aside(replace(found, notes=(*notes, *found.notes)), aside)


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
