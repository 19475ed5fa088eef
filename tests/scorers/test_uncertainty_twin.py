"""Uncertainty and UQ-LED against loops over Python floats."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from slow_twin import draw, softmax

from chaffinch.core.evidence import Evidence
from chaffinch.core.labels import Labels
from chaffinch.scorers import SCORERS
from chaffinch.scorers.labels import confident_learning
from chaffinch.scorers.uncertainty import decomposition, ensembles, uq_led

SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 9), st.integers(2, 4))
SOURCES = {"dropout": "dropout_logits", "ensemble": "ensemble_logits", "checkpoint": "logits"}


def entropy(shares):
    return -math.fsum(p * math.log(p) for p in shares if p > 0)


def slow(logits, n):
    """(total, aleatoric, epistemic, variation ratio) of one sample."""
    members = [softmax(z[n].tolist()) for z in logits]
    mean = [math.fsum(m[c] for m in members) / len(members) for c in range(logits.shape[2])]
    aleatoric = math.fsum(map(entropy, members)) / len(members)
    winners = [int(np.argmax(z[n])) for z in logits]
    most = max(winners.count(c) for c in winners)
    return entropy(mean), aleatoric, entropy(mean) - aleatoric, 1 - most / len(members)


@given(SHAPES, st.integers(0, 10_000))
def test_the_four_measures(shape, seed):
    logits, _ = draw(shape, seed)
    found = decomposition.decompose(logits)
    for n in range(shape[1]):
        parts = found.total[n], found.aleatoric[n], found.epistemic[n], found.variation_ratio[n]
        np.testing.assert_allclose(parts, slow(logits, n), atol=1e-9)
    assert (found.epistemic >= 0).all()
    if shape[0] == 1:
        np.testing.assert_allclose(found.epistemic, 0, atol=1e-12)
        np.testing.assert_array_equal(found.variation_ratio, 0)


@pytest.mark.parametrize("source", SOURCES)
def test_each_source_reads_its_own_record(source):
    random = np.random.default_rng(0)
    records = {record: random.normal(size=(5, 7, 3)) for record in SOURCES.values()}
    evidence = Evidence(np.arange(7).astype(str), Labels(np.arange(7) % 3, np.arange(3)), **records)
    used = records[SOURCES[source]]
    used = used[2:] if source == "checkpoint" else used
    wanted = np.transpose([slow(used, n) for n in range(7)])
    for measure, values in zip(
        ("total", "aleatoric", "epistemic", "variation_ratio"), wanted, strict=True
    ):
        np.testing.assert_allclose(SCORERS[f"{source}_{measure}"](evidence), values, atol=1e-9)


@pytest.mark.parametrize(("epochs", "first"), [(1, 0), (2, 1), (3, 1), (20, 10)])
def test_late_epochs(epochs, first):
    logits = np.arange(epochs)[:, None, None]
    np.testing.assert_array_equal(ensembles.late(logits)[:, 0, 0], range(first, epochs))


@pytest.mark.parametrize("source", SOURCES)
def test_the_two_kinds_of_doubt_are_told_apart(source):
    # Sure of one class; all unsure; each sure of another class.
    sure, unsure = [[9.0, 0.0]] * 6, [[0.0, 0.0]] * 6
    torn = [[9.0, 0.0], [0.0, 9.0]] * 3
    logits = np.transpose(np.asarray([sure, unsure, torn]), (1, 0, 2))
    evidence = Evidence(
        np.asarray(["sure", "unsure", "torn"]),
        Labels(np.asarray([0, 0, 1]), np.arange(2)),
        **{SOURCES[source]: logits},
    )
    scores = {m: SCORERS[f"{source}_{m}"](evidence) for m in ("total", "aleatoric", "epistemic")}
    assert scores["aleatoric"].argmax() == 1
    assert scores["epistemic"].argmax() == 2
    assert scores["total"].argmin() == 0
    assert SCORERS[f"{source}_variation_ratio"](evidence).argmax() == 2


def probabilities_of(size, seed):
    random = np.random.default_rng(seed)
    count, num_classes = size
    logits = random.normal(size=(3, count, num_classes)) * random.uniform(0.5, 4)
    return decomposition.mean_probabilities(logits), random.integers(0, num_classes, count), logits


@given(st.tuples(st.integers(1, 30), st.integers(2, 4)), st.integers(0, 999))
def test_mean_probabilities(size, seed):
    found, _, logits = probabilities_of(size, seed)
    for n in range(size[0]):
        members = [softmax(z[n].tolist()) for z in logits]
        np.testing.assert_allclose(found[n], np.mean(members, axis=0), atol=1e-12)


@given(st.tuples(st.integers(1, 30), st.integers(2, 4)), st.integers(0, 999))
def test_certain_samples_and_their_joint(size, seed):
    probabilities, codes, _ = probabilities_of(size, seed)
    guesses = confident_learning.confident_classes(probabilities, codes)
    doubt = [entropy(row) for row in probabilities.tolist()]
    joint = np.zeros((size[1], size[1]))
    found = uq_led.certain(probabilities, codes, guesses)
    for n, guess in enumerate(guesses):
        own = [doubt[m] for m in range(size[0]) if codes[m] == guess]
        sure = guess >= 0 and doubt[n] <= math.fsum(own) / max(1, len(own)) + 1e-12
        assert found[n] == sure
        if sure:
            joint[codes[n], guess] += 1
    for label in range(size[1]):
        joint[label, label] = max(1, joint[label, label])
        joint[label] *= (codes == label).sum() / joint[label].sum()
    scaled = uq_led.certain_joint(probabilities, codes)
    np.testing.assert_allclose(scaled, joint, atol=1)  # rounded to whole numbers
    np.testing.assert_array_equal(scaled.sum(axis=1), [(codes == c).sum() for c in range(size[1])])


@given(st.tuples(st.integers(1, 30), st.integers(2, 4)), st.integers(0, 999))
def test_what_uq_led_prunes(size, seed):
    probabilities, codes, _ = probabilities_of(size, seed)
    joint = uq_led.certain_joint(probabilities, codes)
    wanted = set()
    for label in range(size[1]):
        for other in range(size[1]):
            if other != label:
                lead = {
                    n: probabilities[n, other] - probabilities[n, label]
                    for n in range(size[0])
                    if codes[n] == label
                }
                first = sorted(lead, key=lead.get, reverse=True)[: joint[label, other]]
                wanted |= {n for n in first if lead[n] > 0}
    assert set(np.flatnonzero(uq_led.flagged(probabilities, codes))) == wanted


def test_unsure_contradictions_are_not_counted():
    # Of class 0 all are sure, but for one that leans to class 1 without being sure of it.
    sure = np.log([[0.98, 0.02]] * 20 + [[0.02, 0.98]] * 20 + [[0.45, 0.55]] + [[0.02, 0.98]])
    codes = np.asarray([0] * 20 + [1] * 20 + [0, 0])
    probabilities = np.exp(sure)
    flagged = uq_led.flagged(probabilities, codes)
    np.testing.assert_array_equal(np.flatnonzero(flagged), [41])
    assert uq_led.certain_joint(probabilities, codes)[0, 1] == 1


@pytest.mark.parametrize("seed", range(2))
def test_wrong_labels_are_pruned(seed, synthetic):
    made = synthetic(seed=seed)
    scores = SCORERS["uq_led"](made.only("held_out_dropout_logits"))
    assert roc_auc_score(made.errors, scores) > 0.95
    assert made.errors[scores > 1].mean() > 0.8
