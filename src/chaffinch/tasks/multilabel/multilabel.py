"""The task: several tags may hold for a sample."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from chaffinch.core.dataset import Dataset
from chaffinch.core.edit import LEAVE_OUT
from chaffinch.core.errors import InputError
from chaffinch.core.kinds import Kind
from chaffinch.core.records import Axes, Records
from chaffinch.core.types import Floats
from chaffinch.data import open_data
from chaffinch.diagnosis.selection import Threshold
from chaffinch.pipeline.outcome import Result
from chaffinch.pipeline.request import Request
from chaffinch.pipeline.scan_input import ScanInput
from chaffinch.repair.plan import Plan
from chaffinch.tasks.fold_task import FoldTask
from chaffinch.tasks.folds import Predict, fold_of
from chaffinch.tasks.multilabel.heads import fit_heads
from chaffinch.tasks.multilabel.judgement import (
    BOTH,
    CLEAN,
    INVENTED_TAG,
    KINDS,
    MISSING_TAG,
    TagVerdict,
    judge_tags,
    log_odds,
)
from chaffinch.tasks.multilabel.opening import texts_of, with_texts
from chaffinch.tasks.multilabel.other_tags import NUM_FOLDS
from chaffinch.tasks.multilabel.reading import find_format
from chaffinch.tasks.multilabel.tags import PRESENT, UNKNOWN, Tags
from chaffinch.tasks.multilabel.texts import changed_text, find_separator, parse_texts
from chaffinch.tasks.multilabel.writing import write_tags
from chaffinch.tasks.task import Judgement, Problem

_MOST_NAMED = 4
_LOGITS, _PROBABILITIES = "held_out_logits", "held_out_probabilities"


@final
class Multilabel(FoldTask):
    """Any number of tags for each sample, some of which are missing and some given by mistake.

    A tag is suspicious where models that never saw the sample, and the other tags that it was
    given, speak against it; how much that takes follows from how often tags go missing and are
    invented.
    """

    name: ClassVar[str] = "multilabel"
    noun: ClassVar[str] = "tags"
    kinds: ClassVar[Mapping[str, Kind]] = {
        MISSING_TAG: Kind("Missing tag", "harmful", "lacks a tag that holds", "that lack a tag"),
        INVENTED_TAG: Kind(
            "Invented tag", "harmful", "has a tag that does not hold", "with a tag too many"
        ),
        BOTH: Kind(
            "Missing and invented tags",
            "harmful",
            "lacks a tag that holds and has one that does not",
            "that lack a tag and have another too many",
        ),
        CLEAN: Kind("Clean", "keep", "nothing speaks against its tags", "clean"),
    }
    records: ClassVar[Mapping[str, Axes]] = {_LOGITS: ("N", "K")}
    metric: ClassVar[str] = "binary cross-entropy per tag"
    default_model: ClassVar[str] = "a network with one hidden layer and one output per tag"

    _names: Sequence[str] = ()

    def recognises(self, given: ScanInput) -> bool:
        """Columns of 0 and 1 for several tags, lists of tags, or texts that join tags."""
        if given.model is not None or given.validation is not None:
            return False
        try:
            return with_texts(_read(given), given.label) is not None
        except InputError:  # whoever opens the data says what is wrong with them
            return False

    def open(self, given: ScanInput) -> Dataset:
        """The data with one text of tags as the label of each sample."""
        found = with_texts(_read(given), given.label)
        if found is None:  # a text with one tag each, or a data set that is open already
            return given.dataset
        options = given.options
        return open_data(
            found[0],
            label=found[1],
            id_column=options.id_column,
            text_column=options.text_column,
            group=options.group,
            trainable=False,
            max_pixels=options.max_pixels,
            **options.written,
        )

    def judged(
        self,
        labels: Any,
        records: Mapping[str, Any],
        features: Any,
        ids: Any,
        threshold: Threshold,
        seed: int,
    ) -> Result:
        """Judge tags by held-out predictions that the user has.

        Args:
            labels: An array or a DataFrame (N, K) of 0 and 1, lists of tags, or texts.
            records: ``held_out_logits`` or ``held_out_probabilities`` (N, K). The columns are those
                of the labels, else the tags in sorted order.
            features: Not used.
            ids: (N,) unique names, or None for their positions.
            threshold: The rule by which samples are flagged.
            seed: Decides every random choice.

        Raises:
            InputError: No predictions, or some of another shape.
        """
        texts, names = texts_of(labels)
        told = dict(records)
        if _PROBABILITIES in told:
            told.setdefault(_LOGITS, log_odds(told.pop(_PROBABILITIES)))
        if names is not None and np.shape(told.get(_LOGITS, ()))[1:] == (len(names),):
            known = parse_texts([None if text is None else str(text) for text in texts]).names
            told[_LOGITS] = np.asarray(told[_LOGITS])[:, [names.index(name) for name in known]]
        return super().judged(texts, told, features, ids, threshold, seed)

    def prepare(self, given: ScanInput) -> Request:
        """Check the data; their tags are the ones that all other data are read for."""
        self._names = ()
        request = super().prepare(given)
        self._names = parse_texts(_texts(request.dataset.labels.values)).names
        return request

    def targets(self, data: Dataset) -> NDArray[Any]:
        """(N, K) int8: 1 where a sample has a tag, 0 where not, -1 where nobody knows."""
        tags = parse_texts(_texts(data.labels.values), self._names)
        if not self._names:
            tags.check_trainable()
        return tags.values

    def errors(self, targets: NDArray[Any], predicted: Mapping[str, NDArray[Any]]) -> Floats:
        """(n,) binary cross-entropy, averaged over the tags that are known."""
        logits = np.asarray(predicted["logits"], np.float64)
        known = targets != UNKNOWN
        losses = np.logaddexp(0, np.where(targets == PRESENT, -logits, logits)) * known
        found: Floats = losses.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
        return found

    def write(self, plan: Plan, data: Any, opening: Mapping[str, Any], **options: Any) -> Any:
        """Give the repaired data in the form in which their tags came.

        Args:
            plan: Its new labels are texts of tags.
            data: A path or a table; of joined texts anything that `Plan.apply` takes.
            opening: As for `reopen`.
            options: Those of `Plan.apply`.

        Raises:
            InputError: Changes that need labels in one column, or any reason of `Plan.apply`.
        """
        label = opening.get("label")
        given = ScanInput.of(data, **{k: v for k, v in opening.items() if v is not None})
        frame = given.data if given.table is None else given.table.frame
        form = find_format(frame, label) if isinstance(frame, pd.DataFrame) else None
        if form is None or form.form == "joined":
            return super().write(plan, data, opening, **options)
        names = self.open(given).ids
        place = {str(name): row for row, name in enumerate(names)}
        made = plan.changing
        refused = sorted({e.action for e in made} - {"relabel", "reweight", *LEAVE_OUT})
        if refused:
            raise InputError(
                "a plan that gives tags, weighs samples or leaves them out",
                ", ".join(refused),
                "Take these out of the plan",
            )
        return write_tags(
            data,
            {place[e.id]: str(e.new_label) for e in made if e.action == "relabel"},
            label=label,
            leave_out=[place[e.id] for e in made if e.leaves_out],
            weights={place[e.id]: float(e.weight or 1) for e in made if e.action == "reweight"},
            out=options.get("out"),
            overwrite=bool(options.get("overwrite", False)),
        )

    def fit(self, features: Floats, targets: NDArray[Any], seed: int) -> Predict:
        """A network with one hidden layer."""
        names = tuple(map(str, range(targets.shape[1])))
        predict = fit_heads(features, Tags(targets.astype(np.int8), names), seed)
        return lambda rows: {"logits": predict(rows)}

    def judge(self, problem: Problem, records: Records) -> Judgement:
        """Say of each tag of each sample how likely it is wrong, and gather it by sample."""
        texts = _texts(problem.given)
        tags = parse_texts(texts)
        folds = fold_of(problem.ids, NUM_FOLDS, problem.seed)
        found = judge_tags(tags, records[_LOGITS], problem.seed, folds=folds)
        separator = find_separator((text for text in texts if text), least_uses=0)
        suggested = np.full(len(tags), None, dtype=object)
        why, confidence = [""] * len(tags), np.zeros(len(tags))
        for row in range(len(tags)):
            columns = _doubted(found, row)
            add = [tags.names[k] for k in columns if tags.values[row, k] != PRESENT]
            remove = [tags.names[k] for k in columns if tags.values[row, k] == PRESENT]
            suggested[row] = changed_text(str(texts[row]), separator, add, remove)
            confidence[row] = np.prod(found.wrong[row, columns]) if len(columns) else 0.0
            why[row] = _sentence(found, row, columns)
        return Judgement(
            kinds=dict(zip(KINDS, found.kinds.T, strict=True)),
            suggested=suggested,
            confidence=np.clip(confidence / np.maximum(found.suspicion, 1e-12), 0, 1),
            why=why,
            notes=found.notes,
            details=_figures(found),
        )


def _read(given: ScanInput) -> Any:
    return given.data if given.table is None else given.table


def _texts(values: NDArray[Any]) -> list[str | None]:
    return [None if value is None else str(value) for value in values.tolist()]


def _doubted(found: TagVerdict, row: int) -> NDArray[np.int64]:
    """The tags that are flagged, likeliest first; without any, the one most in doubt."""
    chance = found.wrong[row]
    columns = np.flatnonzero(found.flagged[row])
    if not len(columns):
        columns = np.asarray([int(chance.argmax())]) if chance.max() > 0 else columns
    return columns[np.argsort(-chance[columns], kind="stable")]


def _sentence(found: TagVerdict, row: int, columns: NDArray[np.int64]) -> str:
    """What to add and to remove, with how likely each is."""
    parts = []
    for column in columns[:_MOST_NAMED].tolist():
        verb = "remove" if found.tags.values[row, column] == PRESENT else "add"
        parts.append(f"{verb} {found.tags.names[column]!r} ({found.wrong[row, column]:.0%})")
    more = len(columns) - _MOST_NAMED
    told = ", ".join(parts) + (f" and {more} more" if more > 0 else "")
    return f"By its features and its other tags: {told}." if told else ""


def _figures(found: TagVerdict) -> dict[str, Any]:
    missing, invented = found.noise.typical
    return {
        "tags": list(found.tags.names),
        "tag_counts": found.tags.counts.tolist(),
        "tag_rates": found.rates,
        "wrong_tags": round(float(found.wrong.sum()), 3),
        "flagged_tags": int(found.flagged.sum()),
        "typical_missing": round(missing, 6),
        "typical_invented": round(invented, 6),
    }
