"""`verify`: train on the original and on the repaired data, and compare on held-out samples."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Unpack

import numpy as np

from chaffinch.core.dataset import Dataset
from chaffinch.core.errors import InputError
from chaffinch.core.findings import Findings, HasFindings, findings_in
from chaffinch.core.option import listed
from chaffinch.core.progress import Step, track
from chaffinch.core.types import Floats
from chaffinch.pipeline.keywords import ScanKeywords
from chaffinch.pipeline.model import ScanModel
from chaffinch.pipeline.request import Request, prepare
from chaffinch.pipeline.scan_input import ScanInput
from chaffinch.pipeline.verification.exam import Examiner
from chaffinch.pipeline.verification.outcome import Outcome, Part, Verdict
from chaffinch.pipeline.verification.race import (
    Course,
    Results,
    VersionsOf,
    looks_of,
    run_race,
)
from chaffinch.pipeline.verification.slots import Layout, Slots, Version
from chaffinch.pipeline.verification.statistic import Interval, level_of_look, mean_marks
from chaffinch.repair.application import extra_samples
from chaffinch.repair.effect import Effect, resolve
from chaffinch.repair.plan import Plan, need_plan

ALPHA = 0.05
MARGIN = 0.002
"""Differences of accuracy within this are none."""

_FEW = 0.02
_FOLDS = 5
_CONFIRMING = 1000  # what the seeds of the second race lie beyond those of the first

VALIDATION = "clean validation samples"
HELD_OUT = "held-out training samples, marked by their given labels as far as these are trusted"
HELD_OUT_NOTE = (
    "Without clean validation data, the versions were marked on held-out training samples by their "
    "given labels, each counted by 1 - suspicion. What counts most is easier than the data as a "
    "whole and was weighed by the same findings as the plan, so that the gain may come out too "
    "small where errors were missed, and too large where rare but right samples were suspected."
)


@dataclass(frozen=True, eq=False)
class _Case:
    """What is verified, after all checks."""

    plan: Plan
    effect: Effect
    course: Course
    ablate: bool
    control: bool


def verify(
    plan: Plan,
    data: Any,
    validation: Any = None,
    *,
    label: str | None = None,
    model: Any = None,
    seeds: int = 5,
    findings: Findings | HasFindings | None = None,
    groups: Iterable[Any] | None = None,
    ablate: bool = True,
    control: bool = True,
    **options: Unpack[ScanKeywords],
) -> Outcome:
    """Say whether a plan helps, by training on the data with it and without.

    Both trainings of a pair start from the same weights, take the same number of steps and see the
    samples that they share in the same order. Pairs under further seeds follow until the answer is
    clear. Each part of the plan is tried alone and left out; what harms is withheld, and the rest
    is raced once more under fresh seeds. A control leaves out as many samples at random.

    Args:
        plan: The plan.
        data: The data that it was made for, as for `scan`.
        validation: Clean labelled data of the same kind; without them, each seed holds out a fifth
            of the data, marked by the given labels of unsuspicious samples.
        label: Column of the labels.
        model: As for `scan`.
        seeds: At most so many pairs of trainings.
        findings: Their suspicion says how far held-out labels are trusted; otherwise the plan's own
            edits say.
        groups: (M,) names, such as of sites, for accuracies by group.
        ablate: Whether the parts of the plan are tried one by one.
        control: Whether as many samples are left out at random, for comparison.
        **options: How to train, as for `scan`; see `ScanDeclaration`.

    Returns:
        The outcome; its `plan` is the plan without what was withheld.

    Raises:
        InputError: A plan that does not fit the data, or any reason that `scan` has.
    """
    if not (isinstance(seeds, int) and seeds >= 2):
        raise InputError("at least 2 seeds", repr(seeds), "Raise seeds (--seeds)")
    need_plan(plan)
    known = None if findings is None else findings_in(findings)
    request = prepare(ScanInput.of(data, label, model, validation, **options))
    # Samples set aside train no model, with the plan or without it.
    mine = plan.without(ids=[str(request.aside.ids[row]) for row in request.aside.faults])
    effect = resolve(mine.edits, request.dataset)
    if not effect.num_changed and not effect.copies.any():
        return _nothing_to_do(plan)
    course = _course(request, effect, _suspicion(mine, request.dataset, known), seeds, groups)
    case = _Case(mine, effect, course, ablate, control)
    outcome = _judge(case, request.dataset)
    withheld = {edit.id for edit in mine.edits} - {edit.id for edit in outcome.plan.edits}
    return replace(outcome, plan=plan.without(ids=withheld))


def _nothing_to_do(plan: Plan) -> Outcome:
    nothing = Interval(0.0, 0.0, 0.0)
    note = "The plan changes nothing, so nothing was trained."
    return Outcome("no repair needed", nothing, None, {}, (), plan, 0, 0, "", (note,))


def _course(
    request: Request,
    effect: Effect,
    suspicion: Floats,
    seeds: int,
    groups: Iterable[Any] | None,
) -> Course:
    dataset, options = request.dataset, request.options
    device = options.torch_device()
    chosen = ScanModel(request, device)
    encoded = chosen.encode(request.validation)
    parts = [encoded.inputs]
    if effect.copies.any():
        # The encoder learns from the training samples alone, so these are encoded beside them.
        copies = chosen.encode(extra_samples(dataset, effect, options.seed))
        if copies.validation is not None:
            parts.append(copies.validation[0])
    layout = Layout.of(effect, dataset.labels.codes)
    examiner = Examiner(
        encoded.inputs,
        dataset.labels.codes,
        1 - suspicion,
        encoded.validation,
        _FOLDS,
        dataset.labels.names,
        _groups(groups, request),
    )
    return Course(
        Slots(tuple(parts), layout.places),
        layout,
        examiner,
        chosen.factory(encoded, len(dataset.labels.classes)),
        chosen.schedule(encoded),
        device,
        tuple(options.seed + number for number in range(seeds)),
        ALPHA,
        MARGIN,
    )


def _groups(groups: Iterable[Any] | None, request: Request) -> Any:
    if groups is None:
        return None
    named = np.asarray([str(one) for one in listed("names of groups", groups)], dtype=np.str_)
    used = request.aside.usable if request.validation is None else request.validation_used
    if len(named) != len(used):
        raise InputError(
            f"a group for each of the {len(used)} held-out samples", str(len(named)), "Align them"
        )
    return named[used]


def _suspicion(plan: Plan, dataset: Dataset, findings: Findings | None) -> Floats:
    """(N,) how likely each given label harms, as far as is known."""
    place = {str(name): row for row, name in enumerate(dataset.ids)}
    suspicion = np.zeros(len(dataset))
    if findings is not None:
        for name, value in zip(findings.table["id"], findings.table["suspicion"], strict=True):
            if str(name) in place:
                suspicion[place[str(name)]] = float(value)
        return suspicion
    for edit in plan.changing:
        if edit.action not in ("augment", "deduplicate"):
            known = edit.confidence if edit.confidence == edit.confidence else 1.0
            suspicion[place[edit.id]] = known
    return suspicion


def _judge(case: _Case, dataset: Dataset) -> Outcome:
    parts = _parts(case.plan) if case.ablate else {"plan": case.plan}
    versions = _versions(case, dataset, parts)
    course = case.course
    extra = 2 + int(case.control)
    total = len(course.seeds) * (extra + len(versions))
    with track("retraining", total) as advance:
        results, seeds = run_race(
            course, _versions_of(case, case.effect, versions), ("original", "repaired"), advance
        )
        difference = _difference(results, "repaired", seeds, course)
        judged = _judge_parts(parts, results, seeds, course, difference)
        withheld = [part.name for part in judged if part.withheld]
        plan, notes = _without(case.plan, parts, withheld), _notes(course)
        if withheld and plan.changing:
            again = _confirm(case, resolve(plan.edits, dataset), advance)
            difference, more = again
            notes += (f"What is left was raced anew under {more} fresh seeds.",)
    verdict = _verdict(difference, case.effect, course)
    control = _difference(results, "random trim", seeds, course) if case.control else None
    return Outcome(
        verdict,
        difference,
        control,
        {name: mean_marks(marks) for name, marks in results.marks.items()},
        judged,
        plan,
        seeds,
        len(course.seeds),
        VALIDATION if course.examiner.common else HELD_OUT,
        notes,
    )


def _notes(course: Course) -> tuple[str, ...]:
    return () if course.examiner.common else (HELD_OUT_NOTE,)


def _versions(case: _Case, dataset: Dataset, parts: dict[str, Plan]) -> list[Version]:
    """The repaired data with one part of the plan alone, and without it."""
    layout, found = case.course.layout, []
    if len(parts) < 2:
        return []
    for name, part in parts.items():
        rest = _without(case.plan, parts, [name])
        found.append(layout.repaired(f"only {name}", resolve(part.edits, dataset)))
        found.append(layout.repaired(f"without {name}", resolve(rest.edits, dataset)))
    return found


def _versions_of(case: _Case, effect: Effect, more: Sequence[Version]) -> VersionsOf:
    layout = case.course.layout

    def versions(seed: int) -> list[Version]:
        found = [layout.original(), layout.repaired("repaired", effect)]
        if case.control:
            found.append(layout.random_trim(effect.num_changed, seed))
        return [*found, *more]

    return versions


def _confirm(case: _Case, effect: Effect, advance: Step) -> tuple[Interval, int]:
    """Race what is left of the plan under seeds that had no say in what was withheld."""
    seeds = tuple(seed + _CONFIRMING for seed in case.course.seeds)
    course = replace(case.course, seeds=seeds)
    only = _versions_of(replace(case, control=False), effect, ())
    results, done = run_race(course, only, ("original", "repaired"), advance)
    return _difference(results, "repaired", done, course), done


def _difference(results: Results, name: str, seeds: int, course: Course) -> Interval:
    looks = looks_of(len(course.seeds))
    level = level_of_look(seeds, looks, course.alpha)
    return results.difference("original", name, level, course.examiner.common)


def _parts(plan: Plan) -> dict[str, Plan]:
    """The plan by kind, or by action where all edits are of one kind."""
    changing = plan.changing
    kinds = sorted({edit.kind or "unnamed" for edit in changing})
    if len(kinds) > 1:
        return {
            kind: plan.only(kind="" if kind == "unnamed" else kind).without(action="review")
            for kind in kinds
        }
    actions = sorted({edit.action for edit in changing})
    return {action: plan.only(action=action) for action in actions}


def _without(plan: Plan, parts: dict[str, Plan], names: Sequence[str]) -> Plan:
    ids = [edit.id for name in names for edit in parts[name].edits]
    return plan.without(ids=ids) if ids else plan


def _judge_parts(
    parts: dict[str, Plan], results: Results, seeds: int, course: Course, whole: Interval
) -> tuple[Part, ...]:
    found = []
    for name, part in parts.items():
        if len(parts) == 1:
            found.append(Part(name, len(part.changing), whole, None, whole.harms))
            continue
        alone = _difference(results, f"only {name}", seeds, course)
        without = _difference(results, f"without {name}", seeds, course)
        # It harms by itself, and the plan is better off without it; or one of these beyond doubt.
        rest = results.difference(
            "repaired", f"without {name}", course.alpha, course.examiner.common
        )
        both = alone.mean < 0 < rest.mean
        withheld = (both and (alone.harms or rest.helps)) or (alone.harms and rest.mean >= 0)
        withheld = withheld or (rest.helps and alone.mean <= 0)
        found.append(Part(name, len(part.changing), alone, without, withheld))
    return tuple(found)


def _verdict(difference: Interval, effect: Effect, course: Course) -> Verdict:
    if difference.helps:
        return "helps"
    if difference.harms:
        return "harms"
    within = -course.margin < difference.low and difference.high < course.margin
    few = effect.num_changed <= _FEW * len(effect.kept)
    return "no repair needed" if within or few else "no difference"
