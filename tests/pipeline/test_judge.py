import numpy as np
import pandas as pd
import pytest

import chaffinch as cf
from chaffinch.core.errors import InputError
from chaffinch.scorers.probability import softmax


@pytest.fixture
def evidence():
    """Held-out probabilities, embeddings and training logits of 400 samples, 40 flipped."""
    random = np.random.default_rng(0)
    truth = np.arange(400) % 4
    labels, errors = cf.bench.inject.uniform_flips(truth, 0.1, seed=2)
    sure = 4 * np.eye(4)[truth]
    logits = np.stack([sure + random.normal(size=sure.shape) for _ in range(5)])
    embeddings = np.eye(4)[truth] * 6 + random.normal(size=(400, 4))
    return labels, errors, softmax(logits[0]), embeddings, logits


def f1(findings, errors):
    flagged = findings.table["flagged"].to_numpy()
    return 2 * (flagged & errors).sum() / (flagged.sum() + errors.sum())


@pytest.mark.parametrize("names", [("p",), ("e",), ("l",), ("p", "e"), ("e", "l"), ("p", "e", "l")])
def test_judges_by_any_evidence(evidence, names):
    labels, errors, probabilities, embeddings, logits = evidence
    given = {"p": ("probabilities", probabilities), "e": ("embeddings", embeddings)}
    given["l"] = ("logits", logits)
    findings = cf.judge(labels, **dict(given[name] for name in names))
    assert f1(findings, errors) > 0.85
    assert findings.table["id"].tolist() == [str(n) for n in range(400)]


def test_ids_and_names_are_kept(evidence):
    labels, _, probabilities, _, _ = evidence
    names = np.array(["a", "b", "c", "d"])
    ids = [f"row-{n}" for n in range(400)]
    table = cf.judge(names[labels], probabilities, ids=ids).table
    assert table["id"].tolist() == ids
    assert table["given_label"].tolist() == names[labels].tolist()
    suggested = table["suggested_label"].dropna()
    assert set(suggested) <= set(names)
    assert len(suggested) >= 30


def test_columns_without_samples_are_classes_all_the_same():
    labels = np.array([0, 0, 2, 2, 0, 2])
    probabilities = np.full((6, 5), 0.05)
    probabilities[np.arange(6), labels] = 0.8
    probabilities[0] = [0.05, 0.05, 0.05, 0.05, 0.8]
    findings = cf.judge(labels, probabilities)
    assert len(findings.classes) == 5
    assert findings.ranked.iloc[0]["id"] == "0"


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        (lambda y, p: (y,), {}, "predictions or embeddings"),
        (lambda y, p: (y, p * 2), {}, "rows sum to 1; got 400 rows"),
        (lambda y, p: (y, p - 0.5), {}, "at least 0"),
        (lambda y, p: (y[:-1], p), {}, r"\(F, N=399, C=4\); got shape \(1, 400, 4\)"),
        (lambda y, p: (y, p[0]), {}, r"probabilities of shape \(N, C\)"),
        (lambda y, p: (y, p * np.nan), {}, "400 of 400 that cannot .400 unreadable: row 0"),
        (lambda y, p: (y, p[:, :3] / p[:, :3].sum(1, keepdims=True)), {}, "C=4"),
        (lambda y, p: (np.eye(4)[y], p), {}, "one-hot"),
        (lambda y, p: (np.zeros(400), p), {}, "at least two classes"),
        (
            lambda y, p: ([None, *y[1:].tolist()], p),
            {"strict": True},
            "1 of 400 that cannot .1 unlabelled: row 0",
        ),
        (lambda y, p: (y, [["a"]]), {}, "numbers in probabilities"),
        (lambda y, p: (y, p), {"ids": ["x"] * 400}, "400 different ids"),
        (
            lambda y, p: (y, p),
            {"sed": 1},
            "options assume, fdr, groups, ids, scorers, seed, select, strict, validation",
        ),
        (lambda y, p: (y, p), {"scorers": ["aum"]}, "record 'logits'"),
    ],
)
def test_bad_input_says_what_to_do(evidence, arguments, options, words):
    labels, _, probabilities, _, _ = evidence
    with pytest.raises(InputError, match=words):
        cf.judge(*arguments(labels, probabilities), **options)


@pytest.mark.parametrize("count", [40, 300, 1500])
def test_labels_that_cannot_be_learned_are_not_flagged_but_said(count):
    random = np.random.default_rng(count)
    labels = random.integers(0, 3, count)
    findings = cf.judge(labels, softmax(random.normal(size=(count, 3))))
    assert not findings.table["flagged"].any()
    assert any("hardly better than a guess" in note for note in findings.notes)


def test_hard_but_learnable_labels_are_judged():
    random = np.random.default_rng(0)
    truth = np.arange(2000) % 2
    labels, _ = cf.bench.inject.uniform_flips(truth, 0.2, seed=1)
    logits = np.eye(2)[truth] * 2 + random.normal(size=(2000, 2))
    findings = cf.judge(labels, softmax(logits))
    assert findings.table["flagged"].sum() > 200
    assert not any("hardly better" in note for note in findings.notes)


def test_samples_that_cannot_be_judged_do_not_stop_the_others(evidence):
    labels, _, probabilities, embeddings, logits = evidence
    given, ids = labels.astype(object), [f"s{row}" for row in range(len(labels))]
    given[3], given[7] = None, 9
    held, space, trained = probabilities.copy(), embeddings.copy(), logits.copy()
    held[11, 0], space[13, 1], trained[0, 17, 2] = np.nan, np.inf, -np.inf
    wide = np.c_[held, np.zeros((len(held), 6))]
    more = np.concatenate([trained, np.full((*trained.shape[:2], 6), -50.0)], axis=2)
    findings = cf.judge(given, wide, space, more, ids=ids)
    table = findings.table
    assert table["id"].tolist() == ids
    kinds = dict(zip(table["id"], table["kind"], strict=True))
    assert [kinds[f"s{row}"] for row in (3, 7)] == ["unlabelled", "too_rare"]
    assert {kinds[f"s{row}"] for row in (11, 13, 17)} == {"unreadable"}
    assert np.isfinite(table["suspicion"]).all()
    rest = np.setdiff1d(np.arange(len(labels)), (3, 7, 11, 13, 17))
    alone = cf.judge(labels[rest], wide[rest], space[rest], more[:, rest], ids=np.take(ids, rest))
    same = table.iloc[rest].reset_index(drop=True).astype({"given_label": np.int64})
    pd.testing.assert_frame_equal(same, alone.table.astype({"given_label": np.int64}))
