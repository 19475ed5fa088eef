"""From labelled data to findings and, where asked, a run folder: the scan of classes."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

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
from chaffinch.pipeline.gallery import gallery
from chaffinch.pipeline.keeping import Place, keep
from chaffinch.pipeline.model import ScanModel
from chaffinch.pipeline.options import ScanOptions
from chaffinch.pipeline.outcome import Outcome, Result, Stopwatch
from chaffinch.pipeline.places import with_places_in
from chaffinch.pipeline.records import with_records
from chaffinch.pipeline.request import Request, plan_of
from chaffinch.pipeline.resume import full_disk
from chaffinch.pipeline.rounds import Round, look_again
from chaffinch.pipeline.work import Work
from chaffinch.scorers import choose
from chaffinch.store.run import EVIDENCE, Exhibit


@torch.inference_mode(False)  # the models of a scan are trained
def perform(request: Request) -> Result:
    """Do the work of a scan: collect evidence, judge, and keep the run where asked."""
    options = request.options
    if options.out is None:
        with tempfile.TemporaryDirectory(prefix="chaffinch-") as folder, full_disk(Path(folder)):
            # Records on disk stay readable: their maps outlive the folder.
            return _collect_and_judge(request, Path(folder)).result()
    place = Place(options.out, options.overwrite, options.ledger)
    return keep(
        place,
        plan_of(request),
        request.whole,
        request.origin.path,
        lambda folder: _result(request, folder),
    )


def _result(request: Request, folder: Path) -> tuple[Result, list[Exhibit]]:
    result = _collect_and_judge(request, folder).result()
    return result, gallery(request.whole, result.findings)


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
    findings = with_places_in(findings, request.whole, request.origin.path)
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
