"""The second look: what is learned without the suspects, and what it says of them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from repair_case import make_findings
from scipy.spatial.distance import cdist

from chaffinch.core.edit import Edit
from chaffinch.core.evidence import Evidence
from chaffinch.core.labels import Labels
from chaffinch.repair.proposal import propose
from chaffinch.repair.rows import Rows
from chaffinch.repair.second_look import look_again
from chaffinch.scorers.neighbours.kernel import _press, _targets, unseen_scores


def heaps(count=240, flips=24, seed=0, classes=3):
    """Samples in well parted heaps, some with the label of the next heap."""
    random = np.random.default_rng(seed)
    truth = np.arange(count) % classes
    x = random.normal(size=(count, 4)) + 5 * np.eye(classes, 4)[truth]
    wrong = np.zeros(count, bool)
    wrong[random.choice(count, flips, replace=False)] = True
    codes = np.where(wrong, (truth + 1) % classes, truth)
    ids = np.asarray([f"s{n}" for n in range(count)])
    evidence = Evidence(ids, Labels(codes, np.arange(classes)), embeddings=x.astype(np.float32))
    return evidence, truth, wrong


# -- the kernel classifier


@given(st.integers(6, 30), st.integers(1, 4), st.integers(2, 4), st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_taught_samples_are_judged_as_if_left_out(count, width, classes, seed):
    random = np.random.default_rng(seed)
    features, codes = random.normal(size=(count, width)), random.integers(0, classes, count)
    known, targets = np.arange(count - 2), _targets(codes, classes)
    found = _press(features, targets, known, 0.3)
    for row in range(count):
        rest = known[known != row]
        own = features[rest]
        weights = np.linalg.solve(own.T @ own + 0.3 * np.eye(width), own.T @ targets[rest])
        np.testing.assert_allclose(found[row], features[row] @ weights, atol=1e-8)


def test_a_sample_does_not_speak_for_itself():
    evidence, _, _ = heaps(60, 0)
    codes = evidence.labels.codes
    taught = np.ones(60, bool)
    changed = codes.copy()
    changed[7] = (codes[7] + 1) % 3
    first = unseen_scores(evidence.embeddings, codes, 3, taught)
    second = unseen_scores(evidence.embeddings, changed, 3, taught)
    np.testing.assert_allclose(first[7], second[7], atol=0.05)
    assert abs(first[7] - second[7]).max() < abs(first - second)[np.arange(60) != 7].max()


def test_scores_do_not_depend_on_the_order_of_the_samples():
    evidence, _, _ = heaps(80, 8)
    codes, order = evidence.labels.codes, np.random.default_rng(1).permutation(80)
    taught = np.arange(80) % 5 > 0
    first = unseen_scores(evidence.embeddings, codes, 3, taught)
    second = unseen_scores(evidence.embeddings[order], codes[order], 3, taught[order])
    np.testing.assert_allclose(first[order], second, atol=1e-6)


def test_samples_that_are_all_alike_are_no_failure():
    scores = unseen_scores(np.zeros((30, 3)), np.arange(30) % 2, 2, np.ones(30, bool))
    assert np.isfinite(scores).all()


def test_far_samples_are_like_none_and_near_ones_like_their_heap():
    evidence, truth, _ = heaps(90, 0)
    taught = np.arange(90) >= 9
    scores = unseen_scores(evidence.embeddings, truth, 3, taught)
    nearest = cdist(evidence.embeddings[:9], evidence.embeddings[9:]).argmin(axis=1)
    assert (scores[:9].argmax(axis=1) == truth[9:][nearest]).mean() > 0.8


# -- the look


def test_wrong_labels_are_seen_and_put_right():
    evidence, truth, wrong = heaps()
    suspects = np.zeros(240, bool)
    suspects[np.flatnonzero(wrong)[:12]] = True  # the first look missed half of them
    look = look_again(evidence, suspects, 0.05)
    codes = evidence.labels.codes
    np.testing.assert_allclose(look.right.sum(axis=1), 1)
    assert look.rate == pytest.approx(0.1, abs=0.03)
    assert (look.wrong(codes)[wrong] > 0.5).mean() > 0.9
    assert (look.wrong(codes)[~wrong] > 0.5).mean() < 0.02
    other, certainty = look.others(codes)
    sure = wrong & (certainty > 0.9)
    assert sure.sum() > 18
    assert (other[sure] == truth[sure]).all()


def test_the_rate_of_the_first_look_decides_where_the_labels_leave_it_open():
    random = np.random.default_rng(3)
    truth = np.arange(60) % 2
    x = random.normal(size=(60, 2)) + 2.5 * np.eye(2)[truth]
    wrong = np.arange(60) % 10 == 7
    codes = np.where(wrong, 1 - truth, truth)
    ids = np.asarray([f"s{n}" for n in range(60)])
    evidence = Evidence(ids, Labels(codes, np.arange(2)), embeddings=x.astype(np.float32))
    low, high = (look_again(evidence, np.zeros(60, bool), rate) for rate in (0.01, 0.2))
    assert low.rate + 0.05 < high.rate
    assert low.wrong(codes)[wrong].mean() < high.wrong(codes)[wrong].mean()


def test_there_is_no_second_look_without_embeddings_or_where_all_is_suspected():
    evidence, _, _ = heaps()
    nobody, everyone = np.zeros(240, bool), np.ones(240, bool)
    bare = replace(evidence, embeddings=None, features=evidence.embeddings)
    assert look_again(bare, nobody, 0.1) is None
    assert look_again(evidence, everyone, 0.1) is None


# -- in a plan


def findings_of(evidence, flagged, suggested, confidence=0.7):
    codes = evidence.labels.codes
    return make_findings(
        [
            {
                "given_label": str(codes[n]),
                "suspicion": 0.9 if flagged[n] else 0.02,
                "flagged": bool(flagged[n]),
                "kind": "mislabelled" if flagged[n] else "clean",
                "suggested_label": str(suggested[n]) if flagged[n] else None,
                "suggestion_confidence": confidence if flagged[n] else np.nan,
            }
            for n in range(len(codes))
        ]
    )


def test_plans_relabel_what_both_looks_agree_on_and_clear_false_alarms():
    evidence, truth, wrong = heaps()
    alarm = np.flatnonzero(~wrong)[:6]
    flagged = wrong.copy()
    flagged[alarm] = True
    suggested = truth.copy()
    suggested[alarm] = (truth[alarm] + 1) % 3
    odd = np.flatnonzero(wrong)[:3]
    suggested[odd] = (truth[odd] + 1) % 3  # neither the given nor the right label
    plan = propose(findings_of(evidence, flagged, suggested), "balanced", evidence)
    done = {edit.id: edit for edit in plan.edits}
    assert not any(done[f"s{n}"].action == "relabel" for n in odd)
    right = [n for n in np.flatnonzero(wrong) if n not in odd]
    relabelled = [n for n in right if done[f"s{n}"].action == "relabel"]
    assert len(relabelled) > 0.7 * len(right)
    assert all(done[f"s{n}"].new_label == str(truth[n]) for n in relabelled)
    assert not any(f"s{n}" in done and done[f"s{n}"].leaves_out for n in alarm)
    assert "after a second look" in done[f"s{relabelled[0]}"].reason


def test_labels_in_doubt_are_spread_over_the_classes_as_the_second_look_says():
    evidence, truth, wrong = heaps()
    odd = np.flatnonzero(wrong)[:5]
    suggested = truth.copy()
    suggested[odd] = (truth[odd] + 1) % 3  # no new label is sure: the looks disagree
    findings = findings_of(evidence, wrong, suggested)
    doubted = np.flatnonzero(~wrong)[:4]
    findings.table.loc[doubted, "suspicion"] = [0.9, 0.999, 0.9999, 0.99999]  # not flagged
    findings.table.loc[np.flatnonzero(~wrong)[4], "kind"] = "ambiguous"  # and cleared
    rows = Rows.of(findings, evidence)
    plan = propose(findings, "balanced", evidence)
    done = {edit.id: edit for edit in plan.edits}
    rate = findings.estimated_errors / len(rows.ids)
    look = look_again(evidence, wrong | (rows.first >= 0.5), rate)
    for n in odd:
        edit = done[f"s{n}"]
        shares = dict(edit.soft_label)
        given, suspicion = str(evidence.labels.codes[n]), rows.suspicion[n]
        assert edit.action == "soften"
        assert next(iter(shares)) == given
        assert shares[given] == pytest.approx(1 - suspicion, abs=0.02)
        others = {k: look.right[n, k] for k in range(3) if str(k) != given}
        for k, chance in others.items():
            expected = suspicion * chance / sum(others.values())
            assert shares.get(str(k), 0) == pytest.approx(expected, abs=0.02)
    assert f"s{np.flatnonzero(~wrong)[4]}" not in done
    for n in doubted:
        at = rows.suspicion[n]
        assert (f"s{n}" in done) == (at >= 0.1)
        assert at < 0.1 or done[f"s{n}"].action == "soften"
    assert {f"s{n}" in done for n in doubted} == {True, False}


def test_gentle_and_strict_spread_no_label():
    evidence, truth, wrong = heaps()
    findings = findings_of(evidence, wrong, (truth + 1) % 3)
    for policy in ("gentle", "strict"):
        plan = propose(findings, policy, evidence)
        assert plan.edits
        assert not plan.only(action="soften").edits


@given(st.integers(2, 6), st.floats(0, 1), st.integers(0, 1000))
def test_shares_of_a_soft_label_sum_to_one(classes, suspicion, seed):
    findings = make_findings([{"given_label": "k0", "suspicion": suspicion}, {}])
    right = np.random.default_rng(seed).dirichlet(np.full(classes, 0.2), size=2)
    names = tuple(f"k{k}" for k in range(classes))
    rows = replace(Rows.of(findings, None), spread=right, classes=names)
    shares = rows.shares(0)
    assert shares[0][0] == "k0"
    assert sum(share for _, share in shares) == pytest.approx(1, abs=1e-9)
    assert all(0 < share <= 1 for _, share in shares[1:])
    assert Edit("a", "soften", soft_label=shares).soft_label == shares


def test_a_doubt_spread_thinly_over_many_classes_is_not_lost():
    findings = make_findings([{"given_label": "k0", "suspicion": 0.2}, {}])
    names = tuple(f"k{k}" for k in range(100))
    even = np.full((2, 100), 0.01)
    shares = replace(Rows.of(findings, None), spread=even, classes=names).shares(0)
    assert dict(shares)["k0"] == pytest.approx(0.8, abs=1e-4)
    assert len(shares) == 100


def test_samples_of_other_kinds_keep_their_suspicion():
    evidence, truth, wrong = heaps()
    findings = findings_of(evidence, wrong, truth)
    row = int(np.flatnonzero(wrong)[0])
    findings.table.loc[row, "kind"] = "outlier"
    plan = propose(findings, "balanced", evidence)
    (edit,) = plan.only(kind="outlier").edits
    assert (edit.action, edit.confidence) == ("trim", 0.9)


def test_few_errors_are_no_reason_to_act_on_doubts():
    rows = [{"suspicion": 0.4} for _ in range(199)]
    one = {"suspicion": 0.9, "flagged": True, "kind": "mislabelled"}
    doubtful = {"suspicion": 0.3, "kind": "ambiguous", "suggested_label": "b"}
    few = propose(make_findings([one, doubtful, *rows]), "balanced")
    assert [edit.id for edit in few.edits] == ["s0"]
    more = propose(make_findings([one, one, one, doubtful, *rows]), "balanced")
    assert len(more.edits) == 203
