"""From a set to a page: tiny sets, every method, resumed."""

import copy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

import chaffinch as cf
from benchmarks.data import Source, data_folder
from benchmarks.people import base, ours, results, sets
from benchmarks.people.__main__ import chosen
from benchmarks.people.folds import LOGISTIC, predict_folds
from benchmarks.people.human import _arrays
from benchmarks.people.measure import measure
from benchmarks.people.method import METHODS, Method, Skipped
from benchmarks.people.ours import judge_with, verdict
from benchmarks.people.page import GROUPS, shared, summary, wide, write_page
from benchmarks.people.results import Plan, gather, run
from benchmarks.people.sets import Size, load_set

SIZE = Size(300, 300, 50)


@pytest.fixture(autouse=True)
def digits(monkeypatch):
    """The set "mnist" made of the digits that come with scikit-learn, so that no file is needed."""
    data = load_digits()
    monkeypatch.setattr(base, "load_source", lambda _: Source(data.images * 15, data.target))


def test_samples_are_redrawn_by_the_seed_and_apart_from_the_clean_ones(tmp_path):
    one, same, other = (load_set("mnist/uniform-10", s, SIZE, tmp_path) for s in (0, 0, 1))
    assert len(one) == 300
    assert len(one.clean.codes) == 50
    assert one.errors.sum() == 30
    assert (one.errors == (one.codes != one.right)).all()
    assert (one.probabilities == same.probabilities).all()
    assert not np.array_equal(one.samples, other.samples)
    assert one.probabilities.sum(1) == pytest.approx(np.ones(300), abs=1e-5)
    assert one.clean.probabilities.sum(1) == pytest.approx(np.ones(50), abs=1e-5)
    assert (one.clean.probabilities.argmax(1) == one.clean.codes).mean() > 0.7


def test_probabilities_are_of_models_that_did_not_see_the_label(tmp_path):
    random = np.random.default_rng(0)
    inputs, codes = random.normal(size=(200, 150)), random.integers(0, 2, 200)
    p, _ = predict_folds(inputs, codes, inputs[:3], LOGISTIC, tmp_path)
    assert (p.argmax(1) == codes).mean() < 0.65  # in sample: all of them


def test_fold_models_are_kept_by_content(tmp_path):
    random = np.random.default_rng(0)
    inputs, codes = random.normal(size=(60, 3)), np.arange(60) % 2
    for _ in range(2):
        predict_folds(inputs, codes, inputs[:3], LOGISTIC, tmp_path)
    assert len(list(tmp_path.rglob("*.npz"))) == 1
    predict_folds(inputs, 1 - codes, inputs[:3], LOGISTIC, tmp_path)
    assert len(list(tmp_path.rglob("*.npz"))) == 2


def test_a_run_measures_what_is_missing_and_tells_what_it_skipped(tmp_path, monkeypatch):
    calls = []

    def counted(case, seed):
        calls.append(seed)
        return METHODS["arg-max"].run(case, seed)

    def refused(case, seed):
        raise Skipped("no reason")

    monkeypatch.setitem(METHODS, "counted", Method("plain", counted))
    monkeypatch.setitem(METHODS, "refused", Method("plain", refused))
    plan = Plan(["mnist/uniform-10"], ["counted", "refused"], [0, 1], SIZE, tmp_path)
    assert run(plan) == run(plan) == [("mnist/uniform-10", "refused", "no reason")]
    assert calls == [0, 1]
    run(replace(plan, seeds=[1]), fresh=True)
    assert calls == [0, 1, 1]
    assert set(gather(plan)["method"]) == {"counted"}


def test_own_methods_and_the_oracle_on_a_set(tmp_path):
    plan = Plan(["mnist/uniform-20"], ["chaffinch", "oracle", "arg-max"], [0], SIZE, tmp_path)
    run(plan)
    runs = wide(gather(plan)).set_index("method")
    assert runs.loc["oracle", "f1"] == pytest.approx(runs.loc["chaffinch", "best_f1"])
    assert runs.loc["chaffinch", "f1"] > 0.7
    assert runs.loc["chaffinch", "rate_error"] == pytest.approx(0, abs=0.06)
    assert runs.loc["arg-max", "true_rate"] == 0.2


def test_an_option_that_judge_does_not_take_is_skipped(tmp_path, monkeypatch):
    case = load_set("mnist/clean", 0, SIZE, tmp_path)
    with pytest.raises(Skipped, match="no_such_option"):
        judge_with(case, 0, "no_such_option", 1)
    monkeypatch.setattr(cf, "judge", lambda labels, probabilities, embeddings, *, seed: None)
    with pytest.raises(Skipped, match="no_such_option"):
        judge_with(case, 0, "no_such_option", 1)


def row(group, name, method, seed, **figures):
    kind = {"oracle": "control", "told": "told more"}.get(method, "plain")
    head = [group, name, method, kind, seed, 100]
    return [[*head, metric, value, 0.1] for metric, value in figures.items()]


def made_up():
    rows = []
    for seed in (0, 1):
        rows += row("human", "a", "chaffinch", seed, f1=0.5, gap=0.1, true_rate=0.2, fdr=0.05)
        rows += row("human", "a", "peer", seed, f1=0.5 + 0.2 * seed, gap=0.2, true_rate=0.2)
        rows += row("human", "a", "oracle", seed, f1=0.9, true_rate=0.2)
        rows += row("human", "b", "chaffinch", seed, f1=0.8, gap=0.3, true_rate=0.1, fdr=0.2)
        rows += row("human", "a", "told", seed, f1=0.7, gap=0.0, covered=seed, true_rate=0.2)
        rows += row("clean", "c", "chaffinch", seed, flagged=0.02 * seed, estimated_rate=0.0)
        rows += row("clean", "c", "peer", seed, flagged=0.1, estimated_rate=0.1)
    return pd.DataFrame(rows, columns=results.COLUMNS)


def test_methods_are_compared_on_the_sets_that_all_of_them_can_judge():
    runs = wide(made_up())
    human = runs[(runs["group"] == "human") & (runs["method"] != "told")]
    assert set(shared(human)["set"]) == {"a"}
    assert "Without b, which not every method can judge" in summary(made_up())


def test_the_page_shows_the_best_in_bold_and_where_a_peer_is_better():
    text = summary(made_up())
    lines = text.splitlines()
    ours, theirs = (
        next(x for x in lines if x.startswith(f"| {m} |")) for m in ("chaffinch", "peer")
    )
    assert "| 0.500 |" in ours
    assert "**0.600**" in theirs  # and not the oracle's .9
    assert "- **a**: `peer` 0.600, `chaffinch` 0.500 (1 of 2 seeds)" in lines
    assert "| chaffinch | **0.010** | 0.020 | **0.000** |" in lines
    assert next(x for x in lines if x.startswith("| told |")).endswith("| 0.500 |")


def test_the_page_states_command_sizes_and_what_was_skipped(tmp_path):
    plan = Plan(["a", "b"], ["chaffinch"], [0, 1], SIZE, tmp_path)
    page = tmp_path / "people.md"
    (tmp_path / "index.md").write_text("old")
    write_page(made_up(), plan, [("a", "told", "too new")], "python -m benchmarks.people", page)
    text = page.read_text()
    assert "\npython -m benchmarks.people\n" in text
    assert "seeds 0 1; injected and clean sets of 300 samples" in text
    assert "- `told`: too new (1 sets)" in text
    assert len(pd.read_parquet(tmp_path / "people.parquet")) == len(made_up())
    assert "(people.md)" in (tmp_path / "index.md").read_text()


def test_sets_are_chosen_by_group_name_or_beginning():
    known = {"a/one": "human", "a/two": "clean", "b": "clean"}
    assert chosen(None, known, "sets") == list(known)
    assert chosen(["a/"], known, "sets") == ["a/one", "a/two"]
    assert chosen(["human", "b"], known, "sets") == ["a/one", "b"]
    with pytest.raises(ValueError, match="'no'"):
        chosen(["no"], known, "sets")


@pytest.mark.slow
@pytest.mark.skipif(data_folder() is None, reason="no real data: set CHAFFINCH_DATA to its folder")
@pytest.mark.parametrize(("labels", "rate"), [("aggregate", 0.09), ("worst", 0.40)])
def test_right_and_given_labels_of_the_released_predictions_are_of_the_same_images(labels, rate):
    case = load_set(f"cifar10n/twins/{labels}", 0, Size(1, 40_000))
    assert case.errors.mean() == pytest.approx(rate, abs=0.01)
    assert (case.probabilities.argmax(1) == case.right).mean() > 0.9
    _arrays.cache_clear()


def test_every_set_has_a_group_of_the_page():
    assert {one.group for one in sets.SETS.values()} == set(GROUPS)


class Answering:
    """Findings that keep what they were told."""

    def __init__(self, findings):
        self.table, self.estimated_errors = findings.table, findings.estimated_errors
        self.details, self.told = {}, None

    def to_check(self, count, seed):
        return self.table[["id"]].sample(count, random_state=seed)

    def calibrate(self, answers):
        answered = copy.copy(self)
        answered.told = answers
        answered.details = {"calibration": {"rate": 0.2, "low": 0.1, "high": 0.3}}
        return answered


def test_answers_are_the_right_labels_and_give_rate_and_interval(tmp_path, monkeypatch):
    case = replace(load_set("mnist/uniform-20", 0, SIZE, tmp_path), embeddings=None)
    findings = Answering(ours.judged(case, 0))
    told = []
    monkeypatch.setattr(ours, "Findings", Answering)
    monkeypatch.setattr(ours, "judged", lambda case, seed: findings)
    monkeypatch.setattr(ours, "verdict", lambda found: told.append(found) or verdict(found))
    for name, count in {"chaffinch 10 answers": 10, "chaffinch 100 answers": 100}.items():
        figures = measure(case, METHODS[name].run(case, 0))
        assert told[-1].told == {one: case.right[int(one)] for one in told[-1].told}
        assert len(told[-1].told) == count
        assert figures["covered"] == 1
        assert figures["width"] == pytest.approx(0.2)
    METHODS["chaffinch 30 random answers"].run(case, 0)
    table = told[-1].told
    assert table["id"].nunique() == 30
    assert (table["weight"] == 10).all()
    assert table["label"].tolist() == [case.right[int(one)] for one in table["id"]]


def test_no_answers_where_few_labels_are_known(tmp_path, monkeypatch):
    monkeypatch.setattr(ours, "Findings", Answering)
    case = replace(load_set("mnist/uniform-20", 0, SIZE, tmp_path), right=None)
    with pytest.raises(Skipped, match="few samples"):
        METHODS["chaffinch 30 answers"].run(case, 0)
