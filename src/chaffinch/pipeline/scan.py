"""`scan`: from labelled data to findings and, where asked, a run folder."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from chaffinch import report
from chaffinch.core.errors import InputError
from chaffinch.core.evidence import Evidence
from chaffinch.core.findings import Findings
from chaffinch.core.label_variants import label_notes
from chaffinch.core.randomness import stream
from chaffinch.diagnosis.canaries import CanaryEvidence
from chaffinch.diagnosis.judgement import judge_evidence
from chaffinch.models.checkpoint import find_checkpoints
from chaffinch.models.factory import make_model
from chaffinch.pipeline.aside import suggest, with_set_aside
from chaffinch.pipeline.canaries import SHARE, SHARE_BESIDE_FOLDS, make_canaries
from chaffinch.pipeline.canary_record import canary_evidence
from chaffinch.pipeline.collect import collect_by_training, collect_from_trained
from chaffinch.pipeline.model import ScanModel
from chaffinch.pipeline.options import ScanOptions
from chaffinch.pipeline.outcome import Outcome, Stopwatch, findings_of, write_outcome
from chaffinch.pipeline.prompts import OWN_OPTIONS, PromptRequest, holds_prompts, scan_prompts
from chaffinch.pipeline.recording import check_ledger, write_down
from chaffinch.pipeline.records import with_records
from chaffinch.pipeline.request import Model, Request, plan_of, prepare
from chaffinch.pipeline.resume import claim, finished, full_disk, nothing_left, publish
from chaffinch.pipeline.rounds import Round, look_again
from chaffinch.pipeline.work import STATE, Work
from chaffinch.scorers import choose
from chaffinch.store.lock import alone
from chaffinch.store.mark import need_local
from chaffinch.store.run import EVIDENCE, RunFolder


def scan(
    data: Any,
    label: str | None = None,
    model: Model | Path | None = None,
    validation: Any = None,
    **options: Any,
) -> Findings:
    """Find the samples of a labelled data set that do harm, most of them by a wrong label.

    Args:
        data: What `chaffinch.data.open_data` takes: a path, a DataFrame, ``(X, y)``, a torch or
            Hugging Face data set, ...; or a table of prompts and responses without labels.
        label: Column of the labels, where it is not obvious.
        model: Your own model: an ``nn.Module``, a function that makes one, or
            ``"module:function"``; for texts also the folder of a pre-trained encoder, which is
            fine-tuned. A small default model is trained otherwise. For prompts a causal model,
            which is not trained.
        validation: Clean labelled data of the same kind; adds accuracy and influence on it, and
            shows which samples are spoilt or do not belong here. For prompts those of a test set.
        **options: See `chaffinch.pipeline.options.ScanOptions`; ``out="run"`` keeps the run, with
            report, in a folder and lets an interrupted scan go on where it was.

    Returns:
        Findings, one row a sample in the order of the data.

    Raises:
        InputError: Data, labels, model or options that are not usable.
        RunError: ``out`` holds another run.
    """
    request = None
    if all(options.get(name) is None for name in OWN_OPTIONS):
        try:
            request = prepare(data, label, model, validation, dict(options))
        except InputError:
            if label is not None or not holds_prompts(data):
                raise
    if request is not None:
        return perform(request)
    checked = ScanOptions.of(**options)
    if label is not None:
        raise InputError(
            "labelled samples, or prompts and responses", "label and columns of prompts", "Name one"
        )
    return scan_prompts(PromptRequest.of(data, model, validation), checked)


@torch.inference_mode(False)  # the models of a scan are trained
def perform(request: Request) -> Findings:
    """Do the work of a scan: collect evidence, judge, and keep the run where asked."""
    options = request.options
    if options.out is None:
        with tempfile.TemporaryDirectory(prefix="chaffinch-") as folder, full_disk(Path(folder)):
            return _collect_and_judge(request, Path(folder)).findings
    need_local(options.out)
    with alone(options.out):
        return _kept(request, options.out)


def _kept(request: Request, out: Path) -> Findings:
    """Do the work, or find it done, and keep it in a folder."""
    options, plan = request.options, plan_of(request)
    if not options.overwrite and finished(out, plan):
        write_down(request)  # in case that it was stopped just before
        return findings_of(RunFolder(out))
    check_ledger(options)
    partial = claim(out, plan, options.overwrite)
    with full_disk(partial), nothing_left(partial):
        outcome = _collect_and_judge(request, partial)
        write_outcome(outcome, partial)
        report.write(RunFolder(partial), final=out)
        for states in (partial / STATE, *list((partial / EVIDENCE).rglob(STATE))):
            shutil.rmtree(states, ignore_errors=True)
        publish(partial, out)
    write_down(request)
    return outcome.findings


def _collect_and_judge(request: Request, folder: Path) -> Outcome:
    watch = Stopwatch()
    options = request.options
    with watch.stage("encoding"):
        work = _prepare(request, folder)
    inputs = work.encoded.inputs
    notes = (
        *getattr(request.dataset, "notes", ()),
        *label_notes(request.dataset.labels),
        *work.encoded.notes,
    )
    with watch.stage("evidence"):
        evidence, model = _collect(request, work)
        beside = _repetitions(work, options.repeats)
        repeats = [collect_by_training(again)[0] for again in beside]
    with watch.stage("judging"):
        spoilt = None
        if work.canaries is not None:
            spoilt = canary_evidence(work.canaries, folder, evidence, inputs)
        found = _judge(options, (evidence, *repeats), spoilt)
        last = Round((evidence, *repeats), found, model)
    if options.rounds != 1:
        with watch.stage("rounds"):
            last = look_again(
                (work, *beside), last, options.rounds, lambda those: _judge(options, those)
            )
            last = replace(last, findings=_with_figures(last.findings, found))
    findings = replace(last.findings, notes=(*request.notes, *notes, *last.findings.notes))
    encoder = work.encoded.encoder
    said = suggest(request.aside, request.whole, encoder, last.model, findings.classes)
    findings = with_set_aside(findings, request.aside, said)
    return Outcome(request, work, last.evidence[0], findings, last.model, watch)


def _prepare(request: Request, folder: Path) -> Work:
    """Encode the data, choose model, schedules and records, and make the canaries."""
    options, dataset = request.options, request.dataset
    device = options.torch_device()
    chosen = ScanModel(request, device)
    encoded = chosen.encode(request.validation)
    num_classes = len(dataset.labels.classes)
    schedule = chosen.schedule(encoded)
    work = Work(
        dataset,
        encoded,
        chosen.factory(encoded, num_classes),
        schedule,
        chosen.num_folds(encoded),
        device,
        options.seed,
        folder,
        keep_checkpoints=options.keep_checkpoints,
        ensemble=options.ensemble,
        dropout_passes=options.dropout_passes,
        wider_factory=chosen.wider_factory(encoded, num_classes + 1),
        fold_schedule=chosen.fold_schedule(encoded, schedule),
    )
    work = with_records(work, choose(options.scorers), options.train and not options.checkpoints)
    if not _wants_canaries(request):
        return work
    share = SHARE_BESIDE_FOLDS if work.folds else SHARE
    canaries = make_canaries(encoded.inputs, dataset.labels, options.seed, share)
    return replace(work, canaries=canaries)


def _judge(
    options: ScanOptions, evidence: Sequence[Evidence], canaries: CanaryEvidence | None = None
) -> Findings:
    """Judge the evidence of several trainings together, the newest first."""
    first, *repeats = evidence
    return judge_evidence(
        first,
        options.scorers,
        options.seed,
        repeats,
        options.threshold,
        canaries,
        options.assume,
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
