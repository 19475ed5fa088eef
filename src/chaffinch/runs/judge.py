"""`judge`: the run of evidence that the user has already."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from chaffinch.core.option import options_checked, real, whole
from chaffinch.diagnosis.label_noise import Assumption
from chaffinch.diagnosis.selection import Rule, Threshold
from chaffinch.pipeline import judge as pipeline
from chaffinch.pipeline.judged import Opening
from chaffinch.pipeline.keeping import Place
from chaffinch.runs.given import Given
from chaffinch.runs.run import Run
from chaffinch.store.run import RunFolder
from chaffinch.tasks.classification import Classification
from chaffinch.tasks.registry import find_task
from chaffinch.tasks.task import refuse_given


@options_checked
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
    task: Any = "classification",
    records: Mapping[str, ArrayLike] | None = None,
    data: Any = None,
    label: str | None = None,
    id_column: str | None = None,
    text_column: str | None = None,
    out: "str | os.PathLike[str] | None" = None,
    overwrite: bool = False,
    ledger: str | None = None,
) -> Run:
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
        ids: (N,) unique names of the samples; by default those of the data, or their positions.
        validation: A mapping with the right ``labels`` (M,) of further samples, and the
            ``probabilities`` (M, C) and ``embeddings`` (M, K) that the same models give for them.
        groups: (N,) the source, annotator or time slice of each sample: labels of some may be
            wrong far more often than those of others.
        scorers: Names of the score columns wanted, or of families; the usual ones by default.
        select: The rule by which samples are flagged: ``f1`` or ``fdr``, see `scan`.
        fdr: The share of false alarms that ``fdr`` allows.
        assume: What a label is: ``crisp`` where each sample has one right class, ``graded`` where
            labels are outcomes or opinions, ``auto`` to go by the evidence.
        strict: Whether a sample that cannot be judged is an error.
        seed: Decides every random choice.
        task: What a label is: see ``task`` of `scan`. Other tasks than classification judge by
            ``records`` in place of probabilities and logits; their runs live in memory.
        records: The evidence by name, such as ``held_out_center``, in the shapes that the page of
            the task gives.
        data: The data, row by row, as `chaffinch.open_data` takes them. With them, samples can be
            shown, repaired, verified and exported; without, `Run.attach` names them later.
        label: Column of their labels, which must be ``labels``.
        id_column: Column of their unique keys.
        text_column: Column(s) of their text.
        out: Folder in which the run is kept, with evidence and report.
        overwrite: Whether an earlier run at ``out`` may be replaced.
        ledger: Where the run is recorded; see `chaffinch.pipeline.ledger.ledger_for`.

    Returns:
        The run, with one row a sample. Samples without a label, with NaN or infinite values in any
        array, or alone in their class are among them, but not judged.

    Raises:
        InputError: Arrays of different lengths, probabilities that do not sum to one, labels that
            cannot be judged, no evidence at all, or data of other samples.
        RunError: ``out`` holds another run.
    """
    chosen = find_task(task)
    if not isinstance(chosen, Classification):
        beside: dict[str, Any] = {
            "probabilities": probabilities,
            "logits": logits,
            "validation": validation,
        }
        beside |= {"scorers": scorers, "data": data, "out": out, "groups": groups}
        refuse_given(chosen.name, {name for name, one in beside.items() if one is not None})
        threshold = Threshold(select, real("fdr", fdr))
        made = chosen.judged(labels, records or {}, embeddings, ids, threshold, whole("seed", seed))
        return Run(made)
    if records is not None:
        refuse_given(chosen.name, {"records"})
    place = None if out is None else Place(Path(out), overwrite, ledger)
    result = pipeline.judge(
        labels,
        probabilities,
        embeddings,
        logits,
        ids=ids,
        validation=validation,
        groups=groups,
        scorers=scorers,
        select=select,
        fdr=fdr,
        assume=assume,
        strict=strict,
        seed=seed,
        data=data,
        opening=Opening(label, id_column, text_column),
        place=place,
    )
    return Run(result, None if place is None else RunFolder(place.out), Given(data))
