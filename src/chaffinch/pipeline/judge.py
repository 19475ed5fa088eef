"""`judge`: findings from evidence that the user has already."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from chaffinch.core.errors import InputError
from chaffinch.core.evidence import Evidence
from chaffinch.core.findings import Findings
from chaffinch.core.labels import Labels
from chaffinch.core.types import Floats
from chaffinch.diagnosis.judgement import judge_evidence
from chaffinch.diagnosis.label_noise import Assumption
from chaffinch.diagnosis.selection import Threshold

_SUM_TOLERANCE = 1e-2
_OPTIONS = frozenset({"ids", "scorers", "seed", "select", "fdr", "assume", "validation"})


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
        **options: ``ids`` (N,), ``scorers`` (names), ``seed``, and ``select`` and ``fdr``, the rule
            by which samples are flagged (`chaffinch.diagnosis.selection.Threshold`). ``assume``
            says what a label is: ``crisp`` where each sample has one right class, ``graded`` where
            labels are outcomes or opinions, ``auto`` to go by the evidence. ``validation`` is a
            mapping with the right ``labels`` (M,) of further samples, and the ``probabilities``
            (M, C) and ``embeddings`` (M, K) that the same models give for them.

    Raises:
        InputError: Arrays of different lengths, probabilities that do not sum to one, values that
            are not finite, labels that cannot be judged, or no evidence at all.
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
    given.check_trainable()
    assume: Assumption = options.get("assume", "auto")
    evidence = Evidence(
        _ids(options.get("ids"), len(given)),
        given,
        logits=trained,
        held_out_logits=None if held_out is None else np.log(np.maximum(held_out, 1e-12))[None],
        embeddings=None if embeddings is None else _floats(embeddings, "embeddings"),
        **_validation(options.get("validation"), given),
    )
    scorers: Sequence[str] | None = options.get("scorers")
    seed = int(options.get("seed", 0))
    return judge_evidence(evidence, scorers, seed, threshold=threshold, assume=assume)


def _validation(given: Any, labels: Labels) -> dict[str, Any]:
    """Records of clean validation samples."""
    if given is None:
        return {}
    parts = ("labels", "probabilities", "embeddings")
    if not isinstance(given, Mapping) or "labels" not in given or set(given) - set(parts):
        raise InputError(
            "validation as a mapping with labels, and probabilities or embeddings",
            ", ".join(map(str, given)) if isinstance(given, Mapping) else type(given).__name__,
            "Pass validation={'labels': ..., 'probabilities': ..., 'embeddings': ...}",
        )
    place = {str(name): code for code, name in enumerate(labels.classes.tolist())}
    names = [str(name) for name in np.asarray(given["labels"]).tolist()]
    unknown = sorted({name for name in names if name not in place})
    if unknown:
        raise InputError(
            "validation labels among the classes of the other labels",
            f"{len(unknown)} others, such as {unknown[0]!r}",
            "Check that both use the same labels",
        )
    records: dict[str, Any] = {"validation_codes": np.asarray([place[name] for name in names])}
    if given.get("probabilities") is not None:
        held_out = _probabilities(given["probabilities"])
        records["validation_held_out_logits"] = np.log(np.maximum(held_out, 1e-12))[None]
    if given.get("embeddings") is not None:
        records["validation_embeddings"] = _floats(given["embeddings"], "validation embeddings")
    return records


def _labels(values: Iterable[Any], width: int | None) -> Labels:
    labels = Labels.of(values)
    present = labels.classes
    are_columns = np.issubdtype(present.dtype, np.integer) and present.min() >= 0
    if width is not None and are_columns and len(present) < width and present.max() < width:
        # Column numbers of which some have no sample: the columns tell how many classes there are.
        return Labels(labels.values.astype(np.int64), np.arange(width))
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
    if not np.isfinite(array).all():
        return array  # the evidence says how many are not
    sums = array.sum(axis=1)
    wrong = np.abs(sums - 1) > _SUM_TOLERANCE
    if wrong.any() or (array < 0).any():
        row = int(np.flatnonzero(wrong | (array < 0).any(axis=1))[0])
        raise InputError(
            "probabilities of at least 0 whose rows sum to 1",
            f"{int(wrong.sum())} rows that do not, such as row {row} with sum {sums[row]:.4g} and "
            f"least entry {array[row].min():.4g}",
            "Apply softmax first, or pass raw outputs as logits",
        )
    return array
