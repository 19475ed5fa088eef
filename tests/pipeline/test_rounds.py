"""Rounds: weights, when to stop, and going on after an interruption."""

import numpy as np
import pandas as pd
import pytest

import chaffinch as cf
from chaffinch.core.errors import InputError
from chaffinch.core.findings import Findings
from chaffinch.pipeline import rounds as rounds_module
from chaffinch.pipeline.rounds import (
    LEAST_WEIGHT,
    MOST_ROUNDS,
    Round,
    changed_share,
    look_again,
    weights_after,
)
from chaffinch.store import EvidenceFolder
from chaffinch.store.run import RunFolder
from chaffinch.training.recorder import Recorder

OPTIONS = {"epochs": 3, "folds": 2, "batch_size": 32, "seed": 4, "scorers": ["aum"]}


def findings(flags, suspicion=None):
    flags = np.asarray(flags, dtype=bool)
    values = flags.astype(float) if suspicion is None else np.asarray(suspicion)
    return Findings(pd.DataFrame({"flagged": flags, "suspicion": values}), np.arange(2), 0.0)


def test_weights_are_one_less_suspicion_with_a_mean_of_one():
    weights = weights_after(np.asarray([0.0, 0.5, 1.0])).numpy()
    assert weights.mean() == pytest.approx(1, rel=1e-6)
    np.testing.assert_allclose(weights / weights[0], [1, 0.5, LEAST_WEIGHT], rtol=1e-5)
    assert np.isfinite(weights_after(np.ones(4)).numpy()).all()


@pytest.mark.parametrize(
    ("before", "after", "share"),
    [([1, 1, 0, 0], [1, 1, 0, 0], 0), ([1, 1, 0], [0, 1, 1], 2 / 3), ([0, 0], [0, 0], 0)],
)
def test_the_changed_share(before, after, share):
    assert changed_share(findings(before), findings(after)) == pytest.approx(share)


class _Work:
    def __init__(self, folder):
        self.folder, self.seed = folder, 3


@pytest.fixture
def trained(monkeypatch, tmp_path):
    """Rounds without trainings: what each would have been trained with."""
    seen = []
    monkeypatch.setattr(rounds_module, "_again", lambda work, number, weights: (number, weights))

    def collect(task):
        seen.append(task)
        return f"evidence {task[0]}", f"model {task[0]}"

    monkeypatch.setattr(rounds_module, "collect_by_training", collect)
    return seen


def run(rounds, flags, trained, works=1):
    """Judge in turn as ``flags`` say; returns the last round and what each judgement saw."""
    judged = []

    def judge(evidence):
        judged.append(list(evidence))
        return findings(flags[len(judged)])

    first = Round(["evidence 1"], findings(flags[0]), "model 1")
    return look_again([None] * works, first, rounds, judge), judged


def test_auto_stops_when_the_flagged_set_settles(trained):
    last, judged = run("auto", [[1, 1, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]], trained)
    assert [number for number, _ in trained] == [2, 3]
    assert last.model == "model 3"
    assert [one["flagged"] for one in last.findings.details["rounds"]] == [2, 1, 1]
    assert [one["changed"] for one in last.findings.details["rounds"]] == [None, 0.5, 0.0]
    # Those of the first round had learned from the errors, and are left out.
    assert judged == [["evidence 2"], ["evidence 3", "evidence 2"]]
    assert last.evidence == judged[-1]


def test_auto_gives_up_after_four(trained):
    run("auto", [[1, 0], [0, 1], [1, 0], [0, 1], [1, 0]], trained)
    assert [number for number, _ in trained] == list(range(2, MOST_ROUNDS + 1))


def test_as_many_rounds_as_asked_for_even_if_nothing_changes(trained):
    run(3, [[1, 0]] * 3, trained)
    assert [number for number, _ in trained] == [2, 3]


def test_each_round_is_weighted_by_the_one_before_and_repetitions_take_part(trained):
    _, judged = run(3, [[1, 0], [0, 1], [0, 1]], trained, works=2)
    assert [number for number, _ in trained] == [2, 2, 3, 3]
    for _, weights in trained[:2]:
        assert weights[0] < weights[1]
    for _, weights in trained[2:]:
        assert weights[0] > weights[1]
    assert [len(evidence) for evidence in judged] == [2, 4]


def test_a_scan_of_two_rounds_stopped_in_the_second_goes_on_to_the_same_bytes(
    csv, tmp_path, monkeypatch
):
    cf.scan(csv, out=tmp_path / "whole", rounds=2, **OPTIONS)
    whole = (tmp_path / "whole" / "findings.parquet").read_bytes()
    record, left = Recorder.record, [4]

    def stopping(self, *arguments):
        if left[0] == 0:  # in the second epoch of the second round
            raise KeyboardInterrupt
        left[0] -= 1
        record(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "record", stopping)
        with pytest.raises(KeyboardInterrupt):
            cf.scan(csv, out=tmp_path / "run", rounds=2, **OPTIONS)
    assert not (tmp_path / "run").exists()
    cf.scan(csv, out=tmp_path / "run", rounds=2, **OPTIONS)
    run = tmp_path / "run"
    assert (run / "findings.parquet").read_bytes() == whole
    assert len(RunFolder(run).record.judgement.details["rounds"]) == 2
    assert not list(run.rglob("state"))
    first = EvidenceFolder(run / "evidence").load()
    second = EvidenceFolder(run / "evidence" / "round-2" / "evidence").load()
    assert first.ids.tolist() == second.ids.tolist()
    assert not np.array_equal(first.need("logits"), second.need("logits"))


def test_rounds_and_rules_that_are_not_possible(table):
    for options, words in [
        ({"rounds": 0}, "rounds"),
        ({"rounds": "often"}, "rounds"),
        ({"select": "best"}, "select"),
        ({"fdr": 1.5}, "fdr"),
    ]:
        with pytest.raises(InputError, match=words):
            cf.scan(table, **options)
    model = __import__("torch").nn.Linear(4, 3)
    with pytest.raises(InputError, match="one round of a model that is not trained"):
        cf.scan(table, model=model, train=False, rounds="auto")


def test_the_rule_of_a_scan_decides_what_is_flagged(table):
    by_f1 = cf.scan(table, **OPTIONS).table
    strict = cf.scan(table, select="fdr", fdr=0.02, **OPTIONS).table
    np.testing.assert_array_equal(by_f1["suspicion"], strict["suspicion"])
    np.testing.assert_array_equal(strict["flagged"], strict["q_value"] <= 0.02)
