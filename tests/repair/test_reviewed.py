"""Decisions of reviewers go before what a policy proposes."""

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import chaffinch as cf
from chaffinch.core.edit import Edit
from chaffinch.repair.plan import Plan
from chaffinch.repair.reviewed import follow
from chaffinch.store.decision import latest

PROPOSED = Plan(
    (
        Edit("a", "trim", "outlier", "x"),
        Edit("b", "relabel", "mislabelled", "x", new_label="y"),
        Edit("d", "deduplicate", "near_duplicate", "y", source="c"),
    ),
    "fingerprint",
    "balanced",
    ("a note",),
)
FINDINGS = SimpleNamespace(
    table=pd.DataFrame(
        {
            "id": list("abcde"),
            "given_label": ["x", "x", "y", "y", "y"],
            "kind": ["outlier", "mislabelled", "clean", "near_duplicate", "hard"],
        }
    )
)


def decided(*rows):
    """Rows of sample, reviewer, action and label, perhaps reason and confidence."""
    full = [(*row, *("", None))[:6] if len(row) == 4 else (*row, None)[:6] for row in rows]
    columns = ["sample", "reviewer", "action", "label", "reason", "confidence"]
    return pd.DataFrame(full, columns=columns)


def followed(*rows):
    return {edit.id: edit for edit in follow(PROPOSED, FINDINGS, decided(*rows)).edits}


def test_without_decisions_the_plan_stays_as_it_is():
    assert follow(PROPOSED, FINDINGS, decided()) is PROPOSED
    assert follow(PROPOSED, FINDINGS, decided(("elsewhere", "ann", "remove", None))) is PROPOSED


@pytest.mark.parametrize("action", ["keep", "readmit"])
def test_a_sample_that_is_kept_has_no_edit(action):
    assert list(followed(("a", "ann", action, None))) == ["b", "d"]


@pytest.mark.parametrize(
    ("action", "label", "step"),
    [
        ("remove", None, "trim"),
        ("quarantine", None, "quarantine"),
        ("relabel", "x", "relabel"),
        ("unsure", None, "review"),
    ],
)
def test_each_decision_becomes_its_edit_even_of_protected_samples(action, label, step):
    edit = followed(("e", "ann", action, label, "seen it", 0.75))["e"]
    assert (edit.action, edit.new_label, edit.old_label, edit.kind) == (step, label, "y", "hard")
    assert edit.reason == "reviewed by ann: seen it"
    assert edit.who == "ann"
    assert edit.confidence == 0.75


def test_a_decision_replaces_the_edit_of_the_tool():
    edit = followed(("a", "ann", "relabel", "y"))["a"]
    assert (edit.action, edit.new_label, edit.reason) == ("relabel", "y", "reviewed by ann")
    assert math.isnan(edit.confidence)
    assert "b" not in followed(("b", "ann", "relabel", "x"))


def test_reviewers_who_agree_count_together():
    edit = followed(("b", "bob", "relabel", "z", "w", 0.5), ("b", "ann", "relabel", "z", "v", 1.0))
    assert edit["b"].new_label == "z"
    assert edit["b"].reason == "reviewed by ann, bob: w; v"
    assert edit["b"].confidence == 0.75


@pytest.mark.parametrize(
    "votes",
    [
        [("a", "ann", "keep", None), ("a", "bob", "remove", None)],
        [("a", "ann", "relabel", "y"), ("a", "bob", "relabel", "z")],
        [("a", "ann", "remove", None), ("a", "bob", "remove", None), ("a", "cyd", "unsure", None)],
    ],
)
def test_reviewers_who_disagree_ask_for_a_look(votes):
    edit = followed(*votes)["a"]
    assert edit.action == "review"
    assert not edit.changes
    assert edit.reason.startswith("Reviewers disagree (ann: ")


def test_a_copy_stays_when_its_twin_is_taken_out():
    assert followed(("a", "ann", "keep", None))["d"].action == "deduplicate"
    edits = followed(("c", "ann", "remove", None))
    assert edits["c"].action == "trim"
    assert edits["d"].action == "review"


def test_the_plan_keeps_its_order_and_says_what_was_decided():
    votes = (
        ("e", "ann", "remove", None),
        ("c", "ann", "relabel", "x"),
        ("a", "ann", "keep", None),
        ("a", "bob", "remove", None),
    )
    plan = follow(PROPOSED, FINDINGS, decided(*votes))
    assert [edit.id for edit in plan.edits] == list("abcde")
    assert plan.notes[0] == "a note"
    assert plan.notes[1] == "3 samples follow reviewers' decisions; on 1 of them they disagree."
    assert (plan.policy, plan.fingerprint) == ("balanced", "fingerprint")


def test_what_is_withdrawn_no_longer_counts():
    rows = [
        ("s", "ann", "remove", "2025-01-01", 1, 0),
        ("s", "ann", "withdraw", "2025-01-02", 2, 0),
        ("s", "bob", "withdraw", "2025-01-01", 3, 0),
        ("s", "bob", "keep", "2025-01-02", 4, 0),
    ]
    columns = ["sample", "reviewer", "action", "decided_at", "seq", "position"]
    found = latest(pd.DataFrame(rows, columns=columns))
    assert found[["reviewer", "action"]].to_numpy().tolist() == [["bob", "keep"]]


def test_a_plan_from_calibrated_findings_does_what_was_answered():
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, 150)
    given = truth.copy()
    given[:30] = (truth[:30] + 1) % 3
    x = random.normal(size=(150, 3)) + 4 * np.eye(3)[truth]
    found = cf.judge(given, embeddings=x)
    other = int((given[1] + 1) % 3)
    answers = {"0": int(given[0]), "1": other, "2": True, "3": None}
    edits = {edit.id: edit for edit in cf.propose(found.calibrate(answers)).edits}
    assert "0" not in edits
    assert (edits["1"].action, edits["1"].new_label) == ("relabel", str(other))
    assert edits["1"].who == "the one who checked it"
    assert edits["5"].who == "chaffinch"
