"""Verification: what is compared, and what is said of it."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.stats import t
from torch import nn

import chaffinch as cf
from chaffinch.core.edit import Edit
from chaffinch.core.errors import InputError
from chaffinch.models.inputs import DenseInputs, SparseInputs
from chaffinch.pipeline.verification.exam import Examiner
from chaffinch.pipeline.verification.race import Course, looks_of, run_race
from chaffinch.pipeline.verification.slots import Layout, Slots, Version
from chaffinch.pipeline.verification.statistic import (
    calibration_error,
    level_of_look,
    paired_interval,
)
from chaffinch.repair.effect import resolve
from chaffinch.repair.plan import Plan
from chaffinch.training.loop import Training
from chaffinch.training.schedule import Schedule


def blobs(count=120, flips=0, seed=0, spread=1.0):
    random = np.random.default_rng(seed)
    truth = np.arange(count) % 2
    x = (spread * random.normal(size=(count, 2)) + 4 * truth[:, None]).astype(np.float32)
    given = truth.copy()
    given[:flips] = 1 - truth[:flips]
    return x, given, truth


def flips_plan(x, given, truth, action="relabel"):
    ids = cf.open_data((x, given)).ids
    wrong = np.flatnonzero(given != truth)
    if action == "relabel":
        edits = [
            Edit(ids[r], action, "mislabelled", str(given[r]), str(truth[r]), confidence=0.99)
            for r in wrong
        ]
    else:
        edits = [Edit(ids[r], action, "outlier", str(given[r]), confidence=0.99) for r in wrong]
    return Plan(tuple(edits))


FAST = {"epochs": 3, "batch_size": 32, "learning_rate": 0.02}


# -- statistics


@given(st.integers(2, 5), st.integers(2, 8), st.integers(0, 10_000), st.sampled_from([0.05, 0.01]))
def test_the_interval_is_that_of_its_two_variances(seeds, samples, seed, level):
    random = np.random.default_rng(seed)
    differences = random.normal(size=(seeds, samples))
    found = paired_interval(list(differences), [np.ones(samples)] * seeds, level, common=True)
    means, by_sample = differences.mean(1), differences.mean(0)
    between = sum((m - means.mean()) ** 2 for m in means) / (seeds - 1) / seeds
    among = sum((d - by_sample.mean()) ** 2 for d in by_sample) / samples**2
    freedom = (between + among) ** 2 / (between**2 / (seeds - 1) + among**2 / (samples - 1))
    half = t.ppf(1 - level / 2, freedom) * np.sqrt(between + among)
    assert found.mean == pytest.approx(differences.mean())
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=1e-6)


def test_samples_of_each_seed_give_the_paired_t_interval():
    random = np.random.default_rng(0)
    differences = [random.normal(size=n) for n in (3, 4, 5)]
    means = [d.mean() for d in differences]
    found = paired_interval(differences, [np.ones(len(d)) for d in differences], 0.05, False)
    half = t.ppf(0.975, 2) * np.std(means, ddof=1) / np.sqrt(3)
    assert found.low == pytest.approx(np.mean(means) - half)


def test_intervals_hold_as_often_as_they_say():
    random = np.random.default_rng(1)
    missed = 0
    for _ in range(400):
        seeds, samples = random.normal(size=(5, 1)), random.normal(size=80)
        rest = random.normal(size=(5, 80))
        found = paired_interval(
            list(0.1 * seeds + samples + rest), [np.ones(80)] * 5, 0.05, common=True
        )
        missed += found.low > 0 or found.high < 0
    assert missed <= 0.05 * 400 + 2 * np.sqrt(0.05 * 0.95 * 400)


@pytest.mark.parametrize("seeds", [2, 3, 5, 9])
def test_all_looks_together_spend_what_is_allowed(seeds):
    looks = looks_of(seeds)
    levels = [level_of_look(look, looks, 0.05) for look in looks]
    assert sum(levels) == pytest.approx(0.05)
    assert all(level > 0 for level in levels)
    assert levels[0] < 0.5 * 0.05 or len(looks) == 1  # early looks are strict


def test_calibration_error_of_a_known_case():
    probabilities = np.array([[0.9, 0.1]] * 4 + [[0.6, 0.4]] * 4)
    codes = np.array([0, 0, 0, 1, 0, 0, 1, 1])
    weights = np.ones(8)
    assert calibration_error(probabilities, codes, weights) == pytest.approx(0.5 * 0.15 + 0.5 * 0.1)


# -- versions of the data


def make_course(x, codes, plan, data, validation=None, seeds=(0, 1, 2)):
    effect = resolve(plan.edits, data)
    inputs = DenseInputs(torch.from_numpy(x))
    layout = Layout.of(effect, codes)
    examiner = Examiner(inputs, codes, np.ones(len(codes)), validation, 3, ["0", "1"], groups=None)
    schedule = Schedule(2, 16, 0.02)
    course = Course(
        Slots((inputs,), layout.places),
        layout,
        examiner,
        lambda: nn.Linear(2, 2),
        schedule,
        torch.device("cpu"),
        tuple(seeds),
        0.05,
        0.002,
    )
    return course, effect


def test_soft_labels_and_copies_have_slots_of_their_own():
    x, given, _ = blobs(8)
    data = cf.open_data((x, given))
    edits = (
        Edit(data.ids[0], "soften", soft_label=(("0", 0.25), ("1", 0.75))),
        Edit(data.ids[1], "augment", copies=2),
        Edit(data.ids[2], "trim"),
        Edit(data.ids[3], "reweight", weight=0.5),
        Edit(data.ids[4], "relabel", new_label="1"),
    )
    effect = resolve(Plan(edits).edits, data)
    layout = Layout.of(effect, given)
    version = layout.repaired("repaired", effect)
    assert layout.origin.tolist() == [*range(8), 0, 1, 1]
    assert layout.places.tolist() == [*range(8), 0, 8, 9]
    assert version.rows.tolist() == [0, 1, 3, 4, 5, 6, 7, 8, 9, 10]
    assert version.codes[[0, 8, 4, 9]].tolist() == [0, 1, 1, 1]
    assert version.weights[[0, 8, 3, 1]].tolist() == [0.25, 0.75, 0.5, 1.0]
    held = np.ones(8, dtype=bool)
    held[[0, 1]] = False
    assert version.within(layout.origin, held).rows.tolist() == [3, 4, 5, 6, 7]
    assert layout.original().rows.tolist() == list(range(8))


def test_slots_give_the_right_inputs():
    first = DenseInputs(torch.arange(6.0).reshape(3, 2))
    second = DenseInputs(-torch.arange(4.0).reshape(2, 2))
    slots = Slots((first, second), np.array([0, 1, 2, 0, 3, 4]))
    expected = torch.cat([first.tensor, first.tensor[:1], second.tensor])
    for index in ([0, 1], [4], [5, 0, 3], [4, 5]):
        assert torch.equal(slots.batch(torch.tensor(index)), expected[index])


def test_slots_of_sparse_inputs_are_those_of_dense_ones():
    random = np.random.default_rng(0)
    tables = [random.integers(0, 2, (n, 4)) * random.normal(size=(n, 4)) for n in (3, 2)]
    tables[0][1] = 0
    parts = tuple(SparseInputs(csr_matrix(table.astype(np.float32))) for table in tables)
    slots = Slots(parts, np.array([0, 1, 2, 0, 3, 4]))
    expected = torch.from_numpy(np.concatenate(tables).astype(np.float32))[slots.places]
    for index in ([0, 1], [4], [5, 0, 3], [4, 5], [1, 4, 1, 5]):
        found = slots.batch(torch.tensor(index))
        assert found.layout is torch.sparse_csr
        assert torch.equal(found.to_dense(), expected[index])


def test_shared_samples_come_in_the_same_order():
    whole = Training("whole", torch.arange(20), 0, universe=20)
    part = Training("part", torch.tensor([3, 4, 9, 15, 19]), 0, universe=20)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        first = whole.draw_order().tolist()
        torch.manual_seed(5)
        second = part.draw_order().tolist()
    assert second == [row for row in first if row in set(part.rows.tolist())]


def test_a_plan_that_changes_nothing_trains_the_same_model():
    x, given, _ = blobs(40)
    data = cf.open_data((x, given))
    plan = Plan((Edit(data.ids[0], "relabel", new_label=str(given[0])),))
    course, effect = make_course(x, given, plan, data)
    exam = course.examiner.exam(0, 0)
    before = course.run(course.layout.original(), exam, 0)
    after = course.run(course.layout.repaired("repaired", effect), exam, 0)
    np.testing.assert_array_equal(before, after)


def test_trainings_take_the_same_number_of_steps(monkeypatch):
    x, given, _ = blobs(64)
    data = cf.open_data((x, given))
    plan = Plan(tuple(Edit(name, "trim") for name in data.ids[:30]))
    validation = (DenseInputs(torch.from_numpy(x)), given)
    course, effect = make_course(x, given, plan, data, validation)
    steps = []
    monkeypatch.setattr(
        "chaffinch.pipeline.verification.race.train",
        lambda task, training, *_: (
            steps.append(task.schedule.steps_for(len(training.rows))) or task.factory()
        ),
    )
    exam = course.examiner.exam(0, 0)
    for version in (course.layout.original(), course.layout.repaired("repaired", effect)):
        course.run(version, exam, 0)
    assert steps == [4, 4]


def test_every_sample_is_held_out_once_without_validation():
    x, given, _ = blobs(31)
    examiner = Examiner(DenseInputs(torch.from_numpy(x)), given, np.ones(31), None, 5, ["0", "1"])
    exams = [examiner.exam(number, 7 + number) for number in range(5)]
    assert sorted(np.concatenate([exam.rows for exam in exams]).tolist()) == list(range(31))
    assert all(not exam.allowed[exam.rows].any() for exam in exams)
    trusting = replace(examiner, trust=np.where(np.arange(31) < 5, 0.0, 0.5))
    assert all(exam.rows.min() >= 5 for exam in (trusting.exam(n, n) for n in range(5)))


def test_marks_by_class_and_group():
    examiner = Examiner(
        DenseInputs(torch.zeros(4, 1)),
        np.array([0, 0, 1, 1]),
        np.ones(4),
        (DenseInputs(torch.zeros(4, 1)), np.array([0, 0, 1, 1])),
        0,
        ["ant", "bee"],
        np.array(["x", "y", "x", "y"]),
    )
    marks, right = examiner.mark(examiner.exam(0, 0), np.array([[1, 0], [0, 1], [0, 1], [0, 1]]))
    assert right.tolist() == [1, 0, 1, 1]
    assert (marks.accuracy, marks.by_class) == (0.75, {"ant": 0.5, "bee": 1.0})
    assert marks.by_group == {"x": 1.0, "y": 0.5}
    assert marks.loss == pytest.approx((3 * np.log1p(np.exp(-1)) + np.log1p(np.e)) / 4)


def test_the_race_stops_when_the_answer_is_clear():
    x, given, truth = blobs(60, flips=24)
    data = cf.open_data((x, given))
    held = (DenseInputs(torch.from_numpy(blobs(200, seed=1)[0])), blobs(200)[2])
    course, _ = make_course(
        x, given, flips_plan(x, given, truth), data, held, seeds=tuple(range(6))
    )

    def worst(_seed):
        # "repaired" learns the opposite of what is right
        original = course.layout.original()
        return [
            Version("original", original.rows, truth[course.layout.origin], original.weights),
            Version("repaired", original.rows, 1 - truth[course.layout.origin], original.weights),
        ]

    course = replace(course, schedule=replace(course.schedule, epochs=12, learning_rate=0.1))
    ticks = []
    results, seeds = run_race(course, worst, ("original", "repaired"), lambda: ticks.append(1))
    assert seeds == 3
    assert len(ticks) == 6
    assert results.difference("original", "repaired", 0.05, True).harms
    assert run_race(course, worst, None, lambda: None)[1] == 6


# -- the whole


def test_a_good_plan_helps_and_its_parts_are_told():
    x, given, truth = blobs(120, flips=50, spread=1.5)
    relabel = flips_plan(x, given, truth)
    ids = cf.open_data((x, given)).ids
    trims = {e.id for e in relabel.edits[::2]}
    edits = [
        Edit(e.id, "trim", "outlier", e.old_label, confidence=0.9) if e.id in trims else e
        for e in relabel.edits
    ]
    held = blobs(400, seed=1, spread=1.5)
    outcome = cf.verify(
        Plan(tuple(edits)),
        (x, given),
        (held[0], held[2]),
        seeds=3,
        groups=np.arange(400) % 2,
        **FAST | {"epochs": 15},
    )
    assert outcome.verdict == "helps"
    assert outcome.passes
    assert {part.name: part.edits for part in outcome.parts} == {"mislabelled": 25, "outlier": 25}
    assert set(outcome.marks) == {
        "original",
        "repaired",
        "random trim",
        "only mislabelled",
        "without mislabelled",
        "only outlier",
        "without outlier",
    }
    assert outcome.plan == Plan(tuple(edits))
    assert outcome.control.mean < outcome.difference.mean
    assert set(outcome.marks["original"]["by_group"]) == {"0", "1"}
    assert ids[0] in {e.id for e in edits}


def test_a_part_that_harms_is_withheld():
    x, given, truth = blobs(120, flips=36, spread=1.5)
    good = flips_plan(x, given, truth)
    ids = cf.open_data((x, given)).ids
    # Takes most right labels of one class away and turns others round.
    bad = tuple(
        Edit(ids[r], "relabel", "ambiguous", str(given[r]), str(1 - given[r]), confidence=0.9)
        for r in range(36, 100)
    )
    held = blobs(400, seed=1, spread=1.5)
    plan = Plan((*good.edits, *bad))
    outcome = cf.verify(
        plan, (x, given), (held[0], held[2]), seeds=3, control=False, **FAST | {"epochs": 15}
    )
    assert outcome.withheld == ("ambiguous",)
    assert outcome.plan == good
    assert outcome.verdict == "helps"
    assert "fresh seeds" in outcome.notes[-1]
    assert outcome.control is None


def test_a_plan_that_is_nothing_but_harm_is_withheld_whole():
    x, given, _ = blobs(100)
    plan = flips_plan(x, given, 1 - given)
    held = blobs(300, seed=1)
    outcome = cf.verify(plan, (x, given), (held[0], held[2]), seeds=3, **FAST | {"epochs": 10})
    assert outcome.verdict == "harms"
    assert not outcome.passes
    assert outcome.plan == Plan()


def test_nothing_is_trained_for_a_plan_that_changes_nothing():
    x, given, _ = blobs(20)
    ids = cf.open_data((x, given)).ids
    outcome = cf.verify(Plan((Edit(ids[0], "review"),)), (x, given))
    assert outcome.verdict == "no repair needed"
    assert (outcome.passes, outcome.seeds) == (True, 0)


def test_a_few_edits_of_clean_data_need_no_repair_and_no_validation():
    x, given, _ = blobs(150)
    ids = cf.open_data((x, given)).ids
    plan = Plan((Edit(ids[3], "trim", "mislabelled"),))
    outcome = cf.verify(plan, (x, given), seeds=3, control=False, **FAST | {"epochs": 8})
    assert outcome.verdict == "no repair needed"
    assert "held-out training samples" in outcome.held_out
    assert "1 - suspicion" in outcome.notes[0]


def test_outcomes_are_written_whole(tmp_path):
    x, given, truth = blobs(60, flips=10)
    outcome = cf.verify(
        flips_plan(x, given, truth), (x, given), seeds=2, ablate=False, control=False, **FAST
    )
    record = json.loads(outcome.write(tmp_path).read_text())
    assert record["verdict"] == outcome.verdict
    assert record["passes"] == outcome.passes
    assert Plan.from_json(json.dumps(record["plan"])) == outcome.plan
    assert record["difference"] == outcome.difference.to_dict()
    assert [path.name for path in tmp_path.iterdir()] == ["verification.json"]


def test_the_same_seed_gives_the_same_outcome():
    x, given, truth = blobs(60, flips=10)
    plan = flips_plan(x, given, truth, "trim")
    made = [
        cf.verify(plan, (x, given), seeds=2, ablate=False, seed=3, **FAST).to_dict()
        for _ in range(2)
    ]
    assert made[0] == made[1]


@pytest.mark.parametrize(
    ("options", "words"),
    [({"seeds": 1}, "at least 2 seeds"), ({"groups": ["x"]}, "a group for each")],
)
def test_impossible_options_are_refused(options, words):
    x, given, truth = blobs(20, flips=2)
    with pytest.raises(InputError, match=words):
        cf.verify(flips_plan(x, given, truth), (x, given), **options)
