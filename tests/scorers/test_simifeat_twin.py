"""SimiFeat and the noise rates behind it against loops, and against noise that is known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from chaffinch.core.evidence import Evidence
from chaffinch.core.labels import Labels
from chaffinch.scorers import SCORERS
from chaffinch.scorers.neighbours import consensus, simifeat

SIZES = st.tuples(st.integers(1, 30), st.integers(0, 29), st.integers(2, 4), st.integers(0, 999))


def draw(size):
    count, k, num_classes, seed = size
    random = np.random.default_rng(seed)
    k = min(k, count - 1)
    near = [random.permutation([m for m in range(count) if m != n])[:k] for n in range(count)]
    codes = random.integers(0, num_classes, count)
    return np.asarray(near, np.int64).reshape(count, k), codes, random.random(count) < 0.8


@given(SIZES)
def test_soft_labels(size):
    near, codes, drawn = draw(size)
    shares = simifeat.soft_labels(near, drawn, codes, size[2])
    for n in range(len(codes)):
        voters = [m for m in near[n] if drawn[m]][:10] or [n]
        wanted = [sum(codes[m] == c for m in voters) / len(voters) for c in range(size[2])]
        np.testing.assert_allclose(shares[n], wanted)


@given(SIZES)
def test_votes_against_the_label(size):
    near, codes, drawn = draw(size)
    shares = simifeat.soft_labels(near, drawn, codes, size[2])
    flagged, unlike = simifeat.outvoted(shares, codes)
    for n, code in enumerate(codes):
        assert flagged[n] == any(share > shares[n][code] for share in shares[n])
        assert unlike[n] == pytest.approx(1 - shares[n][code])


@given(SIZES)
def test_the_lowest_of_each_class(size):
    near, codes, drawn = draw(size)
    shares = simifeat.soft_labels(near, drawn, codes, size[2])
    wrong = np.random.default_rng(size[3]).random(size[2])
    flagged, unlike = simifeat.lowest(shares, codes, wrong)
    cosines = [
        row[code] / math.sqrt(math.fsum(x * x for x in row))
        for row, code in zip(shares.tolist(), codes, strict=True)
    ]
    np.testing.assert_allclose(unlike, 1 - np.asarray(cosines), atol=1e-12)
    for label in range(size[2]):
        own = [n for n in range(len(codes)) if codes[n] == label]
        count = round(wrong[label] * len(own))
        assert flagged[own].sum() <= count
        left = [cosines[n] for n in own if not flagged[n]]
        assert all(cosines[n] < min(left, default=2) for n in own if flagged[n])


@given(SIZES)
def test_frequencies_of_neighbouring_labels(size):
    near, codes, _ = draw(size)
    if near.shape[1] < 2:
        return
    first, second, third = consensus.consensus(near, codes, size[2])
    for a in range(size[2]):
        assert first[a] == pytest.approx(np.mean(codes == a))
        for b in range(size[2]):
            both = (codes == a) & (codes[near[:, 0]] == b)
            assert second[a, b] == pytest.approx(both.mean())
            for c in range(size[2]):
                assert third[a, b, c] == pytest.approx((both & (codes[near[:, 1]] == c)).mean())


def noisy(seed, transition, count=6000):
    """Labels by a known transition, and neighbours of the same right class."""
    random = np.random.default_rng(seed)
    num_classes = len(transition)
    truth = random.choice(
        num_classes, count, p=np.linspace(1, 2, num_classes) / (1.5 * num_classes)
    )
    codes = np.asarray([random.choice(num_classes, p=transition[right]) for right in truth])
    near = np.stack([random.choice(np.flatnonzero(truth == right), 2) for right in truth])
    return near, codes, truth


@pytest.mark.parametrize("seed", range(2))
def test_known_noise_is_found_again(seed):
    transition = np.asarray([[0.7, 0.3, 0.0], [0.1, 0.9, 0.0], [0.2, 0.2, 0.6]])
    near, codes, truth = noisy(seed, transition)
    found, prior = consensus.estimate_noise(near, codes, 3)
    np.testing.assert_allclose(found, transition, atol=0.04)
    np.testing.assert_allclose(prior, np.bincount(truth) / len(truth), atol=0.03)
    wrong = consensus.wrong_shares(found, prior, codes)
    for label in range(3):
        assert wrong[label] == pytest.approx(np.mean(truth[codes == label] != label), abs=0.04)


def test_very_many_classes_do_without_triples(monkeypatch):
    monkeypatch.setattr(consensus, "_MAX_CLASSES_OF_TRIPLES", 2)
    near, codes, _ = noisy(0, 0.8 * np.eye(3) + 0.2 / 3)
    assert consensus.consensus(near, codes, 3)[2] is None
    found, prior = consensus.estimate_noise(near, codes, 3)
    assert consensus.wrong_shares(found, prior, codes).mean() == pytest.approx(0.133, abs=0.05)


def test_clean_labels_have_no_noise_and_absent_classes_none():
    near, codes, _ = noisy(0, np.eye(3), count=600)
    found, prior = consensus.estimate_noise(near, codes, 4)
    wrong = consensus.wrong_shares(found, prior, codes)
    np.testing.assert_allclose(wrong[:3], 0, atol=0.02)
    assert wrong[3] == 0


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_samples_to_tell(count):
    near = np.asarray([[1], [0]])[:count, : count - 1]
    found, prior = consensus.estimate_noise(near, np.zeros(count, np.int64), 2)
    np.testing.assert_array_equal(found, np.eye(2))
    np.testing.assert_array_equal(prior, [1, 0])


@pytest.mark.parametrize("name", ["simifeat_vote", "simifeat_rank"])
def test_another_order_hardly_moves_the_ranking(name, synthetic):
    evidence = synthetic(num_samples=400, rate=0.2).evidence
    order = np.random.default_rng(0).permutation(len(evidence))
    moved, still = SCORERS[name](evidence.take(order)), SCORERS[name](evidence)[order]
    assert np.corrcoef(moved, still)[0, 1] > 0.95


def test_rank_flags_as_many_as_are_wrong():
    # One blob a class, a third of class 0 wrong, class 1 clean: the counts differ by class.
    random = np.random.default_rng(0)
    truth = np.arange(400) % 2
    rows = 6 * np.eye(4)[truth] + random.normal(size=(400, 4))
    given_codes = truth.copy()
    given_codes[np.flatnonzero(truth == 1)[:60]] = 0
    ids = np.arange(400).astype(str)
    evidence = Evidence(ids, Labels(given_codes, np.arange(2)), embeddings=rows)
    wrong = simifeat.wrong_share_of_class(evidence)
    np.testing.assert_allclose(wrong, [60 / 260, 0], atol=0.03)
    scores = SCORERS["simifeat_rank"](evidence)
    assert roc_auc_score(truth != given_codes, scores) > 0.98
    assert (scores > 0.5).sum() == pytest.approx(60, abs=15)
