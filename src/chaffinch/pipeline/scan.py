"""`scan`: from labelled data to findings and, where asked, a run folder."""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from chaffinch import report
from chaffinch.core.dataset import Dataset
from chaffinch.core.errors import InputError
from chaffinch.core.evidence import Evidence
from chaffinch.core.findings import Findings
from chaffinch.core.randomness import stream
from chaffinch.core.types import Mask, Modality
from chaffinch.core.version import VERSION
from chaffinch.data import open_data
from chaffinch.diagnosis.canaries import CanaryEvidence
from chaffinch.diagnosis.judgement import judge_evidence
from chaffinch.models.checkpoint import find_checkpoints
from chaffinch.models.factory import (
    ModelFactory,
    default_factory,
    factory_from,
    make_model,
    source_of,
)
from chaffinch.models.sentence import SentenceEncoder
from chaffinch.pipeline.canaries import make_canaries
from chaffinch.pipeline.canary_record import canary_evidence
from chaffinch.pipeline.collect import STATE, Work, collect_by_training, collect_from_trained
from chaffinch.pipeline.encode import encode
from chaffinch.pipeline.options import ScanOptions
from chaffinch.pipeline.outcome import Outcome, Stopwatch, findings_of, write_outcome
from chaffinch.pipeline.recording import ledger_of, write_down
from chaffinch.pipeline.records import with_records
from chaffinch.pipeline.resume import Plan, claim, finished, publish
from chaffinch.pipeline.rounds import Round, look_again
from chaffinch.scorers import choose
from chaffinch.store import EvidenceFolder
from chaffinch.store.run import EVIDENCE, OriginRecord, RunFolder

Model = nn.Module | Callable[..., nn.Module] | str


@dataclass(frozen=True, eq=False)
class Request:
    """What a scan is asked to do, after all checks that need no training.

    Attributes:
        dataset: The data.
        validation: Validation data, or None.
        model: The user's model, or None for the default.
        options: The checked options.
        known_errors: (N,) samples known to be wrong, in demonstrations; only reported.
        origin: Where the data lie, for later commands.
    """

    dataset: Dataset
    validation: Dataset | None
    model: Model | None
    options: ScanOptions
    known_errors: Mask | None = None
    origin: OriginRecord = field(default_factory=OriginRecord)


def scan(
    data: Any,
    label: str | None = None,
    model: Model | None = None,
    validation: Any = None,
    **options: Any,
) -> Findings:
    """Find the samples of a labelled data set whose labels are likely wrong.

    Args:
        data: What `chaffinch.data.open_data` takes: a path, a DataFrame, ``(X, y)``, a torch or
            Hugging Face data set, ...
        label: Column of the labels, where it is not obvious.
        model: Your own model: an ``nn.Module``, a function that makes one, or
            ``"module:function"``. A small default model is trained otherwise.
        validation: Clean labelled data of the same kind; adds accuracy and influence on it.
        **options: See `chaffinch.pipeline.options.ScanOptions`; ``out="run"`` keeps the run, with
            report, in a folder and lets an interrupted scan go on where it was.

    Returns:
        Findings, one row a sample in the order of the data.

    Raises:
        InputError: Data, labels, model or options that are not usable.
        RunError: ``out`` holds another run.
    """
    return perform(prepare(data, label, model, validation, options))


def prepare(
    data: Any, label: str | None, model: Model | None, validation: Any, options: dict[str, Any]
) -> Request:
    """Check everything that can be checked before any work is done."""
    known_errors = options.pop("known_errors", None)
    checked = ScanOptions.of(**options)
    choose(checked.scorers)
    if (not checked.train or checked.checkpoints) and model is None:
        raise InputError("a model to score as it is", "none", "Name the trained model with --model")
    if checked.repeats > 1 and (not checked.train or checked.checkpoints):
        raise InputError(
            "one repetition of a model that is not trained here",
            f"{checked.repeats}",
            "Leave out --repeats, or let the scan train",
        )
    if checked.rounds != 1 and (not checked.train or checked.checkpoints):
        raise InputError(
            "one round of a model that is not trained here",
            f"{checked.rounds}",
            "Leave out --rounds, or let the scan train",
        )
    text = checked.text_column
    dataset = open_data(data, label=label, id_column=checked.id_column, text_column=text)
    held = None
    if validation is not None:
        held = _open_validation(validation, label, checked)
    origin = OriginRecord(
        path=_place(data),
        label=label,
        validation=_place(validation),
        model=model if isinstance(model, str) else "",
    )
    return Request(dataset, held, model, checked, known_errors, origin)


def _place(data: Any) -> str:
    """Absolute path or URL of data in files, "" for others."""
    if not isinstance(data, str | os.PathLike):
        return ""
    path = os.fspath(data)
    return path if "://" in path else os.path.abspath(os.path.expanduser(path))


def _open_validation(data: Any, label: str | None, options: ScanOptions) -> Dataset:
    """Validation rows are never matched with others, so their key column may be missing."""
    text = options.text_column
    try:
        return open_data(
            data, label=label, id_column=options.id_column, text_column=text, trainable=False
        )
    except InputError:
        if options.id_column is None:
            raise
        return open_data(data, label=label, text_column=text, trainable=False)


def perform(request: Request) -> Findings:
    """Do the work of a scan: collect evidence, judge, and keep the run where asked."""
    options = request.options
    if options.out is None:
        with tempfile.TemporaryDirectory(prefix="chaffinch-") as folder, _full_disk(Path(folder)):
            return _collect_and_judge(request, Path(folder)).findings
    plan = _plan(request)
    if not options.overwrite and finished(options.out, plan):
        write_down(request)  # in case that it was stopped just before
        return findings_of(RunFolder(options.out))
    if options.ledger or os.environ.get("CHAFFINCH_LEDGER"):
        ledger_of(options)  # one that cannot be opened is an error before the work, not after
    partial = claim(options.out, plan, options.overwrite)
    with _full_disk(partial), _nothing_left(partial):
        outcome = _collect_and_judge(request, partial)
        write_outcome(outcome, partial)
        report.write(RunFolder(partial), final=options.out)
        for states in (partial / STATE, *list((partial / EVIDENCE).rglob(STATE))):
            shutil.rmtree(states, ignore_errors=True)
        publish(partial, options.out)
    write_down(request)
    return outcome.findings


def _collect_and_judge(request: Request, folder: Path) -> Outcome:
    watch = Stopwatch()
    options, dataset = request.options, request.dataset
    with watch.stage("encoding"):
        device = options.torch_device()
        embedder = SentenceEncoder(options.embedder, device) if options.embedder else None
        encoded = encode(dataset, request.validation, request.model is not None, embedder)
    shape, num_classes = encoded.inputs.shape, len(dataset.labels.classes)
    factory = _factory(request, encoded.modality, shape, num_classes)
    work = Work(
        dataset,
        encoded,
        factory,
        options.schedule(encoded.modality, len(dataset), encoded.is_image),
        options.num_folds(encoded.is_image, _least_class(dataset)),
        device,
        options.seed,
        folder,
        keep_checkpoints=options.keep_checkpoints,
        ensemble=options.ensemble,
        dropout_passes=options.dropout_passes,
        wider_factory=_wider_factory(request, encoded.modality, shape, num_classes + 1),
    )
    work = with_records(work, choose(options.scorers), options.train and not options.checkpoints)
    if _wants_canaries(request):
        canaries = make_canaries(encoded.inputs, dataset.labels, options.seed)
        work = replace(work, canaries=canaries)
    with watch.stage("evidence"):
        evidence, model = _collect(request, work)
        beside = _repetitions(work, options.repeats)
        repeats = [collect_by_training(again)[0] for again in beside]
    with watch.stage("judging"):
        spoilt = None
        if work.canaries is not None:
            spoilt = canary_evidence(work.canaries, folder, evidence, encoded.inputs)
        found = _judge(options, (evidence, *repeats), spoilt)
        last = Round((evidence, *repeats), found, model)
    if options.rounds != 1:
        with watch.stage("rounds"):
            last = look_again(
                (work, *beside), last, options.rounds, lambda those: _judge(options, those)
            )
            last = replace(last, findings=_with_figures(last.findings, found))
    return Outcome(request, work, last.evidence[0], last.findings, last.model, watch)


def _judge(
    options: ScanOptions, evidence: Sequence[Evidence], canaries: CanaryEvidence | None = None
) -> Findings:
    """Judge the evidence of several trainings together, the newest first."""
    first, *repeats = evidence
    return judge_evidence(
        first, options.scorers, options.seed, repeats, options.threshold, canaries
    )


def _wants_canaries(request: Request) -> bool:
    """Weights that the user keeps, or a ready-made model, must not have learned any."""
    options = request.options
    trains = options.train and not options.checkpoints
    own = options.keep_checkpoints or isinstance(request.model, nn.Module)
    return options.canaries and trains and not own


def _with_figures(findings: Findings, first: Findings) -> Findings:
    """Findings of a further round with the figures of the canaries, which the first trained."""
    if "canaries" not in first.details:
        return findings
    return replace(findings, details={**findings.details, "canaries": first.details["canaries"]})


def _least_class(dataset: Dataset) -> int:
    """Samples of the smallest class that has any."""
    counts = dataset.labels.counts
    return int(counts[counts > 0].min())


def _factory(
    request: Request, modality: Modality, shape: tuple[int, ...], num_classes: int
) -> ModelFactory:
    if request.model is None:
        return default_factory(modality, shape, num_classes)
    return factory_from(request.model, shape, num_classes)


def _wider_factory(
    request: Request, modality: Modality, shape: tuple[int, ...], num_classes: int
) -> ModelFactory | None:
    """A trained or ready-made model has the classes that it has."""
    if isinstance(request.model, nn.Module):
        return None
    return _factory(request, modality, shape, num_classes)


def _collect(request: Request, work: Work) -> tuple[Evidence, nn.Module]:
    options = request.options
    if options.train and not options.checkpoints:
        return collect_by_training(work)
    paths = find_checkpoints(options.checkpoints) if options.checkpoints else []
    return collect_from_trained(work, make_model(work.factory, work.seed), paths)


def _repetitions(work: Work, times: int) -> list[Work]:
    """The same work under further seeds; its evidence lies below that of the first."""
    return [
        replace(
            work,
            seed=int(stream(work.seed, f"repetition {number}").integers(2**31)),
            folder=work.folder / EVIDENCE / f"repeat-{number}",
            keep_checkpoints=False,
            canaries=None,
        )
        for number in range(1, times)
    ]


def _plan(request: Request) -> Plan:
    options = request.options
    configuration = options.model_dump(mode="json", exclude={"out", "overwrite", "ledger"})
    configuration["model"] = _identity(request.model)
    configuration["validation"] = request.validation and request.validation.fingerprint
    configuration["versions"] = [VERSION, torch.__version__]
    if options.checkpoints:
        paths = find_checkpoints(options.checkpoints)
        configuration["checkpoint_files"] = {str(path): _content(path) for path in paths}
    return Plan(request.dataset.fingerprint, configuration)


def _identity(model: Model | None) -> str | None:
    """What tells one model from another: its name, and its source file or its weights."""
    if model is None:
        return None
    if isinstance(model, str):
        source = source_of(model)
        return model if source is None else f"{model} {_content(source)}"
    if not isinstance(model, nn.Module):
        return f"{getattr(model, '__module__', '')}:{getattr(model, '__qualname__', repr(model))}"
    hasher = hashlib.blake2b(digest_size=16)
    for name, value in model.state_dict().items():
        hasher.update(name.encode())
        hasher.update(value.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return f"{type(model).__name__} {hasher.hexdigest()}"


def _content(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _full_disk(folder: Path) -> Iterator[None]:
    """Say what to do when the disk fills up; what was done so far stays."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InputError(
            f"free disk space for {folder}",
            "a full disk",
            "Free some space and start again: what was done is kept and the scan goes on",
        ) from error


@contextmanager
def _nothing_left(partial: Path) -> Iterator[None]:
    """Bad input leaves no folder behind, unless there is finished training in it."""
    try:
        yield
    except InputError:
        if not (partial / STATE).exists() and not EvidenceFolder(partial / "evidence").whole:
            shutil.rmtree(partial, ignore_errors=True)
        raise
