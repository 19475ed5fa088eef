"""A task whose labels are judged by models that never saw them."""

import tempfile
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from chaffinch.core.dataset import Dataset
from chaffinch.core.errors import InputError
from chaffinch.core.findings import Findings
from chaffinch.core.identity import ids_from_keys
from chaffinch.core.labels import Labels
from chaffinch.core.records import Axes, Records
from chaffinch.core.types import Codes, Floats
from chaffinch.data.usable import set_aside, split_usable
from chaffinch.diagnosis.selection import Threshold
from chaffinch.pipeline.aside import with_set_aside
from chaffinch.pipeline.gallery import gallery
from chaffinch.pipeline.judged import NO_MODEL, Unseen
from chaffinch.pipeline.keeping import Place, keep
from chaffinch.pipeline.model import ScanModel
from chaffinch.pipeline.outcome import Result, Stopwatch, judgement_of, new_record
from chaffinch.pipeline.places import with_places_in
from chaffinch.pipeline.request import Request, check_features, plan_of
from chaffinch.pipeline.resume import full_disk
from chaffinch.pipeline.scan_input import ScanInput
from chaffinch.pipeline.verification.outcome import Outcome
from chaffinch.pipeline.work import STATE
from chaffinch.repair.plan import Plan
from chaffinch.store.records import save_records
from chaffinch.store.run import (
    EVIDENCE,
    DataRecord,
    Exhibit,
    ModelRecord,
    OriginRecord,
    RunRecord,
    TaskRecord,
)
from chaffinch.tasks.folds import Predict, features_of, fold_of, predict_by_folds
from chaffinch.tasks.task import Judgement, Problem, Task
from chaffinch.tasks.verdict import findings_of_judgement
from chaffinch.tasks.verify import verify_task

_FOLDS = 5
_OPENING = ("id_column", "text_column", "group", "sep", "decimal", "encoding", "max_pixels")
_FEATURES = ("encoder", "embeddings", "cache", "embedder", "length")
_JUDGING = ("task", "folds", "select", "fdr", "strict")
_PLACES = ("out", "overwrite", "ledger", "seed", "device")
_USED = {*_OPENING, *_FEATURES, *_JUDGING, *_PLACES}


class FoldTask(Task):
    """A task that answers three questions; the scan follows from the answers.

    Attributes:
        records: Axes of each record that `judge` reads, by name. Those of `fit` are named
            ``held_out_`` and what the prediction calls them; N comes first.
        default_model: What the record of a run calls the model.
        metric: What the mean of `errors` is called.
    """

    records: ClassVar[Mapping[str, Axes]]
    default_model: ClassVar[str] = ""
    metric: ClassVar[str] = "mean absolute error"

    @abstractmethod
    def targets(self, data: Dataset) -> NDArray[Any]:
        """(N, ...) the labels in numbers.

        Raises:
            InputError: Labels that are none of this task.
        """

    @abstractmethod
    def fit(self, features: Floats, targets: NDArray[Any], seed: int) -> Predict:
        """Learn to predict targets (n, ...) from features (n, I)."""

    @abstractmethod
    def judge(self, problem: Problem, records: Records) -> Judgement:
        """Say how likely each label is wrong, in which way, and what it should be."""

    def errors(self, targets: NDArray[Any], predicted: Mapping[str, NDArray[Any]]) -> Floats:
        """(n,) how far predictions are off; `verify` compares its mean, the `metric`.

        By default the mean absolute difference over the axes behind the first, for the one
        prediction that has the shape of the targets.

        Args:
            targets: (n, ...) as of `targets`.
            predicted: As `fit` predicts them.

        Raises:
            InputError: No such prediction.
        """
        for one in predicted.values():
            if np.shape(one) == np.shape(targets):
                apart = np.abs(np.asarray(one, np.float64) - targets)
                return np.asarray(apart.reshape(len(apart), -1).mean(axis=1))
        raise InputError(
            f"a task with errors of its own, or one that predicts targets {np.shape(targets)}",
            f"{self.name!r}, which predicts {', '.join(predicted)}",
            "Define `errors` in the task",
        )

    def collect(
        self, features: Floats, targets: NDArray[Any], folds: Codes, seed: int, state: Path
    ) -> dict[str, NDArray[Any]]:
        """The records: by default what models of K folds predict for what they never saw.

        Args:
            features: (N, I).
            targets: (N, ...).
            folds: (N,) 0..K-1.
            seed: Decides every random choice.
            state: Folder of what an interrupted scan had done.
        """
        return predict_by_folds(self.fit, features, targets, folds, seed, state / "folds")

    def scan(self, given: ScanInput) -> Result:
        """Do the scan that `Task.scan` promises."""
        request = self.prepare(given)
        options = request.options
        if options.out is None:
            with tempfile.TemporaryDirectory(prefix="chaffinch-") as name, full_disk(Path(name)):
                return self._found(request, Path(name))
        place = Place(options.out, options.overwrite, options.ledger)

        def job(folder: Path) -> tuple[Result, list[Exhibit]]:
            result = self._found(request, folder)
            return result, gallery(request.whole, result.findings)

        return keep(place, plan_of(request), request.whole, request.origin.path, job)

    def verify(
        self,
        record: RunRecord,
        findings: Findings,
        plan: Plan,
        data: Any,
        validation: Any,
        options: Mapping[str, Any],
    ) -> Outcome:
        """Do what `Task.verify` promises, by `fit` and `errors`."""
        return verify_task(self, record, findings, plan, (data, validation), options)

    def judged(
        self,
        labels: Any,
        records: Mapping[str, Any],
        features: Any,
        ids: Any,
        threshold: Threshold,
        seed: int,
    ) -> Result:
        """Judge what `Task.judged` is given, by the records that the task names."""
        read = Labels.of(labels, allow_missing=True)
        names = np.arange(len(read)).astype(np.str_) if ids is None else ids_from_keys(ids, "ids")
        aside = set_aside(names, read, {}, allow_single=True)
        rows = np.flatnonzero(aside.usable)
        data = Unseen(names[rows], read.take(rows))
        arrays = {name: self._rows_of(name, one, rows) for name, one in records.items()}
        kept = Records(data.ids, arrays, self.records)
        described = None if features is None else np.asarray(features, np.float32)[rows]
        problem = Problem(data.ids, data.labels.values, self.targets(data), seed, described)
        watch = Stopwatch()
        with watch.stage("judging"):
            found = findings_of_judgement(problem, self.judge(problem, kept), self.kinds, threshold)
        found = with_places_in(with_set_aside(found, aside), None, None)
        configuration = {"task": self.name, "select": threshold.select, "fdr": threshold.fdr}
        return Result(
            self._record(Unseen(names, read), found, configuration, watch, seed),
            found,
            records=kept,
        )

    def _rows_of(self, name: str, record: Any, rows: Codes) -> NDArray[Any]:
        """A record of some of the samples."""
        array, axes = np.asarray(record), self.records.get(name, ())
        known = "N" in axes and array.ndim == len(axes)  # of others, `Records` says what is wrong
        return np.take(array, rows, axes.index("N")) if known else array

    def _record(
        self,
        whole: Dataset,
        found: Findings,
        configuration: dict[str, Any],
        watch: Stopwatch,
        seed: int,
        **told: Any,
    ) -> RunRecord:
        """``run.json``."""
        return new_record(
            data=DataRecord(
                source=whole.source,
                fingerprint=whole.fingerprint,
                modality=whole.modality,
                samples=len(whole),
                classes=[],
                class_counts=[],
            ),
            model=told.pop("model", ModelRecord(name=NO_MODEL)),
            judgement=judgement_of(found),
            configuration=configuration,
            seed=seed,
            device=told.pop("device", "cpu"),
            timings=watch.seconds,
            task=TaskRecord(
                name=self.name,
                noun=self.noun,
                kinds=dict(self.kinds),
                reference=self.reference,
            ),
            **told,
        )

    def prepare(self, given: ScanInput) -> Request:
        """Check everything that can be checked before any work is done."""
        options = given.options
        beside = options.beside(_USED)
        beside += [name for name in ("model", "validation") if getattr(given, name) is not None]
        if beside:
            raise InputError(
                f"options that fit the task {self.name!r} ({', '.join(sorted(_USED))})",
                ", ".join(beside),
                "Leave these out, or name another task with --task",
            )
        check_features(options)
        whole = self.open(given)
        groups = getattr(whole, "groups", None)
        if groups is not None:
            groups.check(len(whole))
        dataset, aside = split_usable(whole, allow_single=True)
        if options.strict:
            aside.refuse(whole.source)
        self.targets(dataset)  # refuses what are no labels of this task
        if _folds(options.folds) > len(dataset) or len(dataset) < 2:
            raise InputError(
                f"at least as many samples as folds, {_folds(options.folds)}",
                f"{len(dataset)} that can be judged in {whole.source}",
                "Choose fewer with --folds, at least 2, or give more data",
            )
        origin = OriginRecord(path=given.location, label=given.label)
        return Request(dataset, whole, aside, None, None, options, origin=origin)

    def _found(self, request: Request, folder: Path) -> Result:
        """Collect the evidence in a folder, and judge."""
        options, data, watch = request.options, request.dataset, Stopwatch()
        device = options.torch_device()
        with watch.stage("encoding"):
            encoded = ScanModel(request, device).encode(None)
            features = features_of(encoded)
        targets = self.targets(data)
        with watch.stage("evidence"):
            folds = fold_of(data.ids, _folds(options.folds), options.seed)
            made = self.collect(features, targets, folds, options.seed, folder / STATE)
            records = Records(data.ids, made, self.records)
            save_records(records, folder / EVIDENCE)
        groups = getattr(data, "groups", None)
        problem = Problem(
            data.ids,
            data.labels.values,
            targets,
            options.seed,
            features,
            data.digests,
            None if groups is None else groups.codes,
        )
        with watch.stage("judging"):
            judgement = self.judge(problem, records)
            found = findings_of_judgement(problem, judgement, self.kinds, options.threshold)
        notes = (*getattr(data, "notes", ()), *encoded.notes, *found.notes)
        found = with_set_aside(replace(found, notes=notes), request.aside)
        found = with_places_in(found, request.whole, request.origin.path)
        chosen = options.model_dump(mode="json", include=_USED - {*_PLACES})
        record = self._record(
            request.whole,
            found,
            {**chosen, "folds": _folds(options.folds)},
            watch,
            options.seed,
            model=ModelRecord(name=self.default_model or self.name),
            device=str(device),
            origin=request.origin,
        )
        return Result(record, found, records=records)


def _folds(asked: int | None) -> int:
    """K.

    Raises:
        InputError: Fewer than two: each sample is judged by a model that never saw it.
    """
    if asked is not None and asked < 2:
        raise InputError("at least 2 folds", str(asked), "Choose --folds 2 to 10")
    return _FOLDS if asked is None else asked
