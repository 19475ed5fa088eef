"""Whether a plan helps, for tasks that learn from features: paired trainings on held-out errors."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from chaffinch.core.dataset import Dataset
from chaffinch.core.errors import InputError
from chaffinch.core.findings import Findings
from chaffinch.core.labels import Labels
from chaffinch.core.progress import track
from chaffinch.core.types import Codes, Floats, Mask
from chaffinch.pipeline.encode import Encoded
from chaffinch.pipeline.model import ScanModel
from chaffinch.pipeline.request import Request
from chaffinch.pipeline.scan_input import ScanInput
from chaffinch.pipeline.task_steps import opening_of
from chaffinch.pipeline.verification.outcome import Outcome, Verdict
from chaffinch.pipeline.verification.statistic import Interval, paired_interval
from chaffinch.repair.effect import Effect, resolve
from chaffinch.repair.plan import Plan
from chaffinch.store.run import RunRecord
from chaffinch.tasks.folds import Fit, features_of, fold_of

_LEVEL = 0.05
_PARTS = 5
_ENCODING = ("encoder", "embeddings", "embedder", "length", "cache", "max_pixels")
_CONTROL = 104_729


class Trains(Protocol):
    """A task that learns to predict targets from features."""

    name: ClassVar[str]
    metric: ClassVar[str]

    @property
    def fit(self) -> Fit:
        """Learns from some samples."""
        ...

    def prepare(self, given: ScanInput) -> Request:
        """The samples, after all checks."""
        ...

    def reopen(self, data: Any, opening: Mapping[str, Any]) -> Dataset:
        """Data opened as the scan did."""
        ...

    def targets(self, data: Dataset) -> NDArray[Any]:
        """(N, ...) the labels in numbers."""
        ...

    def errors(self, targets: NDArray[Any], predicted: Mapping[str, NDArray[Any]]) -> Floats:
        """(n,) how far predictions are off."""
        ...


@dataclass(frozen=True, eq=False)
class _Case:
    """What is compared.

    Attributes:
        task: Trains and marks.
        features: (N, I) of the samples.
        before: (N, ...) targets as given.
        after: (N, ...) targets by the plan.
        effect: Of the plan.
        trust: (N,) how much the given label of each sample counts where it is held out.
        held: Features and targets of clean data, or None.
        folds: Of the data, each held out in turn.
    """

    task: Trains
    features: Floats
    before: NDArray[Any]
    after: NDArray[Any]
    effect: Effect
    trust: Floats
    held: tuple[Floats, NDArray[Any]] | None
    ids: NDArray[Any]


def verify_task(
    task: Trains,
    record: RunRecord,
    findings: Findings,
    plan: Plan,
    data: tuple[Any, Any],
    options: Mapping[str, Any],
) -> Outcome:
    """Say whether a plan helps, by training with it and without.

    Under each of several seeds the same samples are held out of both trainings; without clean data
    those are a fifth of the data, marked by their given labels and weighed by how likely these are
    right. What counts less after the plan is drawn less often. A control leaves out as many samples
    at random.

    Args:
        task: The task.
        record: Of the run.
        findings: Of the run.
        plan: What is verified.
        data: The data, and clean data of the same form or None.
        options: ``seeds``, ``control``, ``encoder`` of `verify`.

    Raises:
        InputError: Data of another form, fewer than two seeds, or a task that does not train.
    """
    seeds = options.get("seeds", 5)
    if not isinstance(seeds, int) or seeds < 2:
        raise InputError("at least 2 seeds", repr(seeds), "Raise seeds (--seeds)")
    request = _request(task, record, data[0], options)
    plan_of_those = plan.without(ids=[str(request.aside.ids[row]) for row in request.aside.faults])
    effect = resolve(plan_of_those.edits, request.dataset, open_labels=True)
    if not effect.num_changed:
        nothing = Interval(0.0, 0.0, 0.0)
        note = "The plan changes nothing, so nothing was trained."
        return Outcome("no repair needed", nothing, None, {}, (), plan, 0, 0, "", (note,))
    validation = None if data[1] is None else task.reopen(data[1], opening_of(record))
    case = _case(task, request, effect, findings, validation)
    versions = ("original", "repaired", "random trim")[: 2 + bool(options.get("control", True))]
    errors: dict[str, list[Floats]] = {name: [] for name in versions}
    weights = []
    with track("retraining", seeds * len(versions)) as advance:
        for number in range(seeds):
            seed = record.seed + number
            rows, held, targets, weight = _held_out(case, number, record.seed)
            weights.append(weight)
            for name in versions:
                errors[name].append(_errors(case, name, rows, (held, targets), seed))
                advance()
    return _outcome(case, plan, errors, weights, seeds)


def _request(task: Trains, record: RunRecord, data: Any, options: Mapping[str, Any]) -> Request:
    kept = record.configuration
    told = {name: kept[name] for name in _ENCODING if kept.get(name) is not None}
    if options.get("encoder") is not None:
        told = {**told, "encoder": options["encoder"], "embeddings": None, "embedder": None}
    how = {name: value for name, value in opening_of(record).items() if value is not None}
    device = {"device": options.get("device", "auto"), "seed": record.seed}
    return task.prepare(ScanInput.of(data, **how, **told, **device))


def _case(
    task: Trains, request: Request, effect: Effect, findings: Findings, validation: Dataset | None
) -> _Case:
    data: Any = request.dataset
    held, encoded = None, None
    model = ScanModel(request, request.options.torch_device())
    if validation is None:
        encoded = model.encode(None)
    else:
        clean: Any = validation
        first = Labels(np.zeros(len(clean), np.int64), data.labels.classes)
        encoded = model.encode(replace(clean, labels=first))  # encoding asks for known classes
        held = _features_beside(encoded), task.targets(validation)
    suspicion = dict(
        zip(findings.table["id"].astype(str), findings.table["suspicion"], strict=True)
    )
    trust = np.asarray([1 - float(suspicion.get(str(one), 0.0)) for one in data.ids])
    repaired = replace(data, labels=effect.labels(data.labels))
    return _Case(
        task,
        features_of(encoded),
        task.targets(data),
        task.targets(repaired),
        effect,
        trust,
        held,
        data.ids,
    )


def _features_beside(encoded: Encoded) -> Floats:
    """(M, I) description of the clean data, in the space of `features_of`."""
    if encoded.validation is None:
        raise InputError("clean data that can be encoded", "none", "Give others")
    other, mine = encoded.validation[0], features_of(encoded)
    raw: Any = encoded.inputs
    if len(raw.shape) == 1 and mine.shape[1] == raw.shape[0]:
        dense: Floats = other.batch(torch.arange(len(other))).float().numpy()
        return dense
    return encoded.inputs.embedding_of(other)


def _held_out(case: _Case, number: int, seed: int) -> tuple[Mask, Floats, NDArray[Any], Floats]:
    """Which samples train, and features, targets and weights of those that mark."""
    if case.held is not None:
        every = np.ones(len(case.features), np.bool_)
        return every, *case.held, np.ones(len(case.held[1]))
    folds: Codes = fold_of(case.ids, _PARTS, seed + number // _PARTS)
    out = folds == number % _PARTS
    return ~out, case.features[out], case.before[out], np.maximum(case.trust[out], 1e-9)


def _errors(
    case: _Case, version: str, rows: Mask, held: tuple[Floats, NDArray[Any]], seed: int
) -> Floats:
    """(m,) errors on what is held out, after training on a version of the data."""
    rng = np.random.default_rng(seed)
    effect, targets = case.effect, case.before
    used = rows.copy()
    if version == "repaired":
        targets = case.after
        used &= effect.kept & (rng.random(len(used)) < effect.weights)
    elif version == "random trim":
        some = np.random.default_rng(seed + _CONTROL).permutation(len(used))
        used[some[: effect.num_changed]] = False
    if not used.any():
        raise InputError("a plan that leaves samples to train on", "none", "Shorten the plan")
    try:
        predict = case.task.fit(case.features[used], targets[used], seed)
    except NotImplementedError as error:
        raise InputError(
            "a task that learns from the features of samples",
            repr(case.task.name),
            "Compare your own models on the data before and after",
        ) from error
    return case.task.errors(held[1], predict(held[0]))


def _outcome(
    case: _Case,
    plan: Plan,
    errors: Mapping[str, list[Floats]],
    weights: list[Floats],
    seeds: int,
) -> Outcome:
    gains = {
        name: paired_interval(
            [first - second for first, second in zip(errors["original"], own, strict=True)],
            weights,
            _LEVEL,
            case.held is not None,
        )
        for name, own in errors.items()
        if name != "original"
    }
    means = {
        name: {
            "error": float(
                np.mean([np.average(e, weights=w) for e, w in zip(own, weights, strict=True)])
            )
        }
        for name, own in errors.items()
    }
    gain = gains["repaired"]
    verdict: Verdict = "helps" if gain.helps else "harms" if gain.harms else "no difference"
    own_fifth = "a fifth of the data, weighed by how likely its given labels are right"
    notes = () if verdict == "helps" else ("The difference may be chance: look before you apply.",)
    if verdict == "harms":
        notes = ("Do not apply this plan: models get worse with it.",)
    return Outcome(
        verdict,
        gain,
        gains.get("random trim"),
        means,
        (),
        plan,
        seeds,
        seeds,
        own_fifth if case.held is None else "the clean data",
        notes,
        case.task.metric,
    )
