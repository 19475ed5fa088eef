"""`judge`: findings from evidence that the user has already."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from numpy.typing import ArrayLike

from chaffinch.core.errors import InputError
from chaffinch.core.evidence import Evidence
from chaffinch.core.findings import Findings
from chaffinch.core.label_variants import label_notes
from chaffinch.diagnosis.judgement import judge_evidence
from chaffinch.diagnosis.selection import Threshold
from chaffinch.pipeline.judge_inputs import JudgeInputs, names_of

_OPTIONS = frozenset({"ids", "scorers", "seed", "select", "fdr"})


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
            with the index of labels that are a Series. A plain index 0, 1, 2... tells nothing.
        probabilities: (N, C) predicted by models that did **not** train on the sample
            (cross-validation); rows sum to 1.
        embeddings: (N, K) model-free description of the samples, such as sentence embeddings.
        logits: (E, N, C) outputs during training on these labels, epoch by epoch; (N, C) counts
            as one epoch.
        **options: ``ids`` (N,), ``scorers`` (names), ``seed``, and ``select`` and ``fdr``, the rule
            by which samples are flagged (`chaffinch.diagnosis.selection.Threshold`).

    Raises:
        InputError: Arrays of different lengths, probabilities that do not sum to one, values that
            are not finite, labels that cannot be judged, or no evidence at all.
    """
    unknown = sorted(set(options) - _OPTIONS)
    if unknown:
        known = ", ".join(sorted(_OPTIONS))
        raise InputError(f"the options {known}", ", ".join(unknown), "Check the name")
    threshold = Threshold(options.get("select", "f1"), float(options.get("fdr", 0.1)))
    given = JudgeInputs(labels, options.get("ids"))
    held_out = given.outputs(probabilities, "probabilities")
    trained = given.outputs(logits, "logits")
    features = given.features(embeddings)
    given.labels.check_trainable()
    evidence = Evidence(
        given.ids,
        given.labels,
        logits=trained,
        held_out_logits=held_out,
        embeddings=features,
    )
    seed = int(options.get("seed", 0))
    scorers = names_of(options.get("scorers"))
    findings = judge_evidence(evidence, scorers, seed, threshold=threshold)
    notes = (*given.notes, *label_notes(given.labels))
    return replace(findings, notes=(*notes, *findings.notes))
