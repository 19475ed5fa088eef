"""`judge`: findings from evidence that the user has already."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from chaffinch.core.errors import InputError
from chaffinch.core.evidence import Evidence
from chaffinch.core.fault import Fault
from chaffinch.core.findings import Findings
from chaffinch.core.kinds import UNREADABLE
from chaffinch.core.labels import Labels
from chaffinch.core.types import Floats, Mask
from chaffinch.data.usable import set_aside
from chaffinch.diagnosis.judgement import judge_evidence
from chaffinch.diagnosis.selection import Threshold
from chaffinch.pipeline.aside import with_set_aside

_SUM_TOLERANCE = 1e-2
_OPTIONS = frozenset({"ids", "scorers", "seed", "select", "fdr", "strict"})


def judge(
    labels: Iterable[Any],
    probabilities: ArrayLike | None = None,
    embeddings: ArrayLike | None = None,
    logits: ArrayLike | None = None,
    **options: Any,
) -> Findings:
    """Judge labels by evidence that you have already; nothing is trained.

    Args:
        labels: (N,) given labels of any type. Columns of the other arrays are the classes in
            sorted order; integer labels 0..C-1 may lack some classes.
        probabilities: (N, C) predicted by models that did **not** train on the sample
            (cross-validation); rows sum to 1.
        embeddings: (N, K) model-free description of the samples, such as sentence embeddings.
        logits: (E, N, C) outputs during training on these labels, epoch by epoch; (N, C) counts
            as one epoch.
        **options: ``ids`` (N,), ``scorers`` (names), ``seed``, ``select`` and ``fdr``, the rule by
            which samples are flagged (`chaffinch.diagnosis.selection.Threshold`), and ``strict``,
            whether a sample that cannot be judged is an error.

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
    threshold = Threshold(options.get("select", "f1"), float(options.get("fdr", 0.1)))
    held_out = None if probabilities is None else _probabilities(probabilities)
    trained = None if logits is None else _floats(logits, "logits")
    if trained is not None and trained.ndim == 2:
        trained = trained[None]
    width = next((a.shape[-1] for a in (held_out, trained) if a is not None), None)
    given = _labels(labels, width)
    logged = None if held_out is None else np.log(np.maximum(held_out, 1e-12))
    space = None if embeddings is None else _floats(embeddings, "embeddings")
    ids = _ids(options.get("ids"), len(given))
    arrays = {"probabilities": logged, "embeddings": space, "logits": trained}
    aside = set_aside(ids, given, _not_finite(arrays, len(given)))
    if options.get("strict") or len(aside.faults) == len(given):
        aside.refuse("the evidence")
    rows = aside.usable
    logged, space, trained = (_judged(array, rows, name) for name, array in arrays.items())
    given = given.take(rows)
    given.check_trainable()
    evidence = Evidence(
        ids[rows],
        given,
        logits=trained,
        held_out_logits=None if logged is None else logged[None],
        embeddings=space,
    )
    scorers: Sequence[str] | None = options.get("scorers")
    seed = int(options.get("seed", 0))
    found = judge_evidence(evidence, scorers, seed, threshold=threshold)
    return with_set_aside(found, aside)


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
    """Where the samples lie: logits have epochs before them."""
    return 1 if name == "logits" else 0


def _labels(values: Iterable[Any], width: int | None) -> Labels:
    labels = Labels.of(values, allow_missing=True)
    present = labels.classes
    are_columns = np.issubdtype(present.dtype, np.integer) and present.min(initial=0) >= 0
    if width is not None and are_columns and len(present) < width and present.max() < width:
        # Column numbers of which some have no sample: the columns tell how many classes there are.
        codes = np.where(labels.known, present[labels.codes], -1).astype(np.int64)
        return Labels(codes, np.arange(width))
    return labels


def _ids(ids: Any, count: int) -> Any:
    if ids is None:
        return np.arange(count).astype(np.str_)
    named = np.asarray([str(one) for one in ids], dtype=np.str_)
    if len(named) != count or len(set(named.tolist())) != count:
        raise InputError(
            f"{count} different ids", f"{len(set(named.tolist()))} of {len(named)}", "Check ids"
        )
    return named


def _floats(values: ArrayLike, name: str) -> Floats:
    try:
        array = np.asarray(values)
        array = array if array.dtype in (np.float32, np.float64) else array.astype(np.float32)
    except (ValueError, TypeError) as error:
        raise InputError(f"numbers in {name}", str(error), "Pass one array of numbers") from error
    return array


def _probabilities(values: ArrayLike) -> Floats:
    array = _floats(values, "probabilities")
    if array.ndim != 2:
        raise InputError(
            "probabilities of shape (N, C)", f"shape {array.shape}", "Pass one row a sample"
        )
    finite = np.isfinite(array).all(axis=1)  # the others are set aside
    sums = np.where(finite, array.sum(axis=1), 1)
    wrong = np.abs(sums - 1) > _SUM_TOLERANCE
    negative = (array < 0).any(axis=1) & finite
    if wrong.any() or negative.any():
        row = int(np.flatnonzero(wrong | negative)[0])
        raise InputError(
            "probabilities of at least 0 whose rows sum to 1",
            f"{int(wrong.sum())} rows that do not, such as row {row} with sum {sums[row]:.4g} and "
            f"least entry {array[row].min():.4g}",
            "Apply softmax first, or pass raw outputs as logits",
        )
    return array
