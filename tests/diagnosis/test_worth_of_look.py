"""Findings judged anew, and the samples most worth a look."""

import numpy as np
import pandas as pd
import pytest

import chaffinch as cf
from chaffinch.diagnosis.relearning import relearn, worth_of_look


def row(suspicion, confidence=np.nan, **kinds):
    return {"suspicion": suspicion, "suggestion_confidence": confidence, **kinds}


def test_what_is_sure_is_not_worth_a_look():
    table = pd.DataFrame([row(0.0), row(1.0, 1.0), row(1.0, 0.0, p_outlier=1.0, p_far_cluster=0)])
    assert worth_of_look(table).tolist() == [0, 0, 0]


def test_the_formula():
    table = pd.DataFrame([row(0.6, 0.5), row(0.9, 0.9), row(0.9, 0.45), row(0.3)])
    outcomes = [(0.4, 0.5, 0.1), (0.1, 0.9), (0.1, 0.45, 0.45), (0.7, 0.3)]
    wanted = [
        p * -sum(q * np.log(q) for q in o) / np.log(3)
        for p, o in zip((0.6, 0.9, 0.9, 0.3), outcomes, strict=True)
    ]
    assert worth_of_look(table) == pytest.approx(wanted)


def test_likely_but_not_sure_comes_before_sure_and_unlikely():
    worth = worth_of_look(pd.DataFrame([row(0.05), row(0.7, 0.6), row(0.99, 0.99), row(0.99, 0.5)]))
    assert worth[1] > worth[0]
    assert worth[1] > worth[2]
    assert worth[3] > worth[2]  # surely wrong, but which label is right?


@pytest.fixture(scope="module")
def judged():
    random = np.random.default_rng(1)
    truth = random.integers(0, 3, 240)
    x = random.normal(size=(240, 4)) + 2.2 * np.eye(4)[truth]
    given = truth.copy()
    given[:48] = (truth[:48] + 1) % 3
    logits = -((x[:, None] - 2.2 * np.eye(4)[None, :3]) ** 2).sum(-1)
    chances = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return cf.judge(given, probabilities=chances, embeddings=x).findings, truth, x


def test_only_who_is_flagged_changes(judged):
    findings, truth, x = judged
    asked = findings.to_check(30)
    calibrated = findings.calibrate(dict(zip(asked["id"], truth[asked["row"]], strict=True)))
    again = relearn(calibrated, x)
    rows = asked["row"].to_numpy()
    wrong = truth[rows] != findings.table["given_label"].to_numpy()[rows]
    suspicion = again.table["suspicion"].to_numpy()
    np.testing.assert_allclose(suspicion[rows], wrong, atol=1e-12)
    assert not np.allclose(suspicion, calibrated.table["suspicion"])
    assert again.table["flagged"].sum() == calibrated.table["flagged"].sum()
    assert again.details == calibrated.details
    assert again.estimated_errors == calibrated.estimated_errors
    ranked = again.table.sort_values("suspicion", ascending=False)
    assert ranked["q_value"].is_monotonic_increasing
    kinds = again.table.filter(like="p_").to_numpy()
    assert kinds.sum(axis=1) == pytest.approx(1)
    assert again.flow.sum() == pytest.approx(len(again))


def test_nothing_is_learned_without_answers_or_embeddings(judged):
    findings, truth, x = judged
    assert relearn(findings, x) is findings
    calibrated = findings.calibrate({findings.table["id"][0]: truth[0]})
    assert relearn(calibrated) is calibrated
