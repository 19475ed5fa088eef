from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from repair_case import make_findings, wrong

from chaffinch.core.edit import LEAVE_OUT, Edit
from chaffinch.core.errors import InputError
from chaffinch.repair.plan import Plan
from chaffinch.repair.policy import POLICIES, Policy
from chaffinch.repair.proposal import propose
from chaffinch.repair.quarantine import readmit

CLEAN: dict = {}


def actions(plan):
    return {edit.id: edit.action for edit in plan.edits}


def test_relabelling_abstains_where_the_new_label_is_not_sure():
    findings = make_findings([wrong(0.99, 0.95), wrong(0.99, 0.6), CLEAN, CLEAN])
    assert actions(propose(findings, "balanced")) == {"s0": "relabel", "s1": "trim"}
    assert actions(propose(findings, "gentle")) == {"s0": "reweight", "s1": "reweight"}
    assert actions(propose(findings, "strict")) == {"s0": "trim", "s1": "trim"}


def test_edits_say_what_why_and_how_sure():
    (edit,) = propose(make_findings([wrong(0.99, 0.95), CLEAN])).edits
    assert (edit.kind, edit.old_label, edit.new_label) == ("mislabelled", "a", "b")
    assert edit.confidence == pytest.approx(0.95)
    assert "0.95" in edit.reason


def test_weights_are_what_the_suspicion_leaves():
    rows = [wrong(0.99, 0.95), {"suspicion": 0.4}, {"suspicion": 0.1}, CLEAN]
    plan = propose(make_findings(rows), "balanced")
    assert {e.id: e.weight for e in plan.only(action="reweight").edits} == {"s1": 0.6}


def test_doubts_alone_change_nothing():
    assert not propose(make_findings([{"suspicion": 0.45}, CLEAN]), "balanced").edits


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("kind", ["hard", "near_cluster"])
def test_rare_but_right_samples_are_never_touched(name, kind):
    rows = [wrong(0.99, 0.99), {**wrong(0.99, 0.99), "kind": kind}, CLEAN, CLEAN]
    assert "s1" not in actions(propose(make_findings(rows), name))


def test_rare_but_right_samples_may_be_multiplied():
    policy = Policy(hard="augment", copies=2)
    (edit,) = propose(make_findings([{"kind": "hard"}, CLEAN]), policy).edits
    assert (edit.action, edit.copies) == ("augment", 2)


def test_thin_classes_are_brought_up_evenly():
    rows = [{"given_label": "a"}] * 10 + [{"given_label": "b"}] * 4 + [{"given_label": "c"}] * 10
    plan = propose(make_findings(rows), Policy(thin_classes=0.9))
    copies = [edit.copies for edit in plan.edits]
    assert {edit.old_label for edit in plan.edits} == {"b"}
    assert copies == [2, 1, 1, 1]


def test_ambiguous_samples_get_both_labels():
    row = wrong(0.6, 0.4) | {"kind": "ambiguous"}
    (edit,) = propose(make_findings([row, CLEAN])).edits
    assert dict(edit.soft_label) == pytest.approx({"a": 0.6, "b": 0.4})


def test_what_is_beyond_the_budget_counts_less():
    rows = [wrong(0.99 - 0.01 * n, 0.5) for n in range(6)] + [CLEAN] * 14
    plan = propose(make_findings(rows), Policy(budget=0.2))
    assert list(actions(plan).values()) == ["trim"] * 4 + ["reweight"] * 2
    assert "2 samples beyond" in plan.notes[-1]


def test_false_discoveries_are_limited():
    rows = [wrong(0.9, 0.95, q_value=0.01), wrong(0.8, 0.95, q_value=0.2), CLEAN]
    policy = Policy(fdr=0.1, reweight_from=1.0)
    assert list(actions(propose(make_findings(rows), policy))) == ["s0"]


def test_no_class_is_emptied():
    rows = [wrong(0.99, 0.5) for _ in range(5)] + [{"given_label": "b"}] * 5
    plan = propose(make_findings(rows), Policy(class_share=0.6))
    assert list(actions(plan).values()).count("trim") == 3


def test_exact_copies_are_known_by_their_ids():
    name = "0123456789abcdef"
    rows = [{"id": name, "suspicion": 0.05}, {"id": f"{name}-2"}, {"id": f"{name}-3"}, CLEAN]
    rows[2]["given_label"] = "b"
    plan = propose(make_findings(rows), Policy(near_duplicate="deduplicate"))
    assert [(e.id, e.source) for e in plan.edits] == [(name, f"{name}-2")]


def test_near_duplicates_are_found_in_the_evidence(synthetic):
    evidence = synthetic(60).evidence
    embeddings = evidence.embeddings.copy()
    codes = evidence.labels.codes
    first, second = np.flatnonzero(codes == codes[0])[:2]
    embeddings[second] = embeddings[first]
    evidence = replace(evidence, embeddings=embeddings)
    rows = [{"id": name, "given_label": str(codes[n])} for n, name in enumerate(evidence.ids)]
    policy = Policy(near_duplicate="deduplicate")
    plan = propose(make_findings(rows), policy, evidence)
    assert [(e.id, e.source) for e in plan.edits] == [(f"s{second}", f"s{first}")]
    with pytest.raises(InputError, match="in their order"):
        propose(make_findings(rows[::-1]), policy, evidence)


@pytest.mark.parametrize(("policy", "done"), [("balanced", "trim"), ("gentle", None)])
def test_what_is_flagged_and_not_quite_cleared_is_let_go_by_all_but_gentle(policy, done):
    rows = [{"suspicion": s, "flagged": True, "kind": "mislabelled"} for s in (0.3, 0.15)]
    plan = propose(make_findings([*rows, CLEAN]), policy)
    assert actions(plan) == ({"s0": done} if done else {})


def test_the_most_doubtful_go_to_review():
    rows = [{"suspicion": 0.1}, {"suspicion": 0.45}, {"suspicion": 0.3}, CLEAN]
    assert actions(propose(make_findings(rows), Policy(review=2))) == {
        "s1": "review",
        "s2": "review",
    }


def test_collection_names_the_class_in_trouble():
    rows = [{"given_label": "a"}] * 40 + [{"given_label": "b", "kind": "hard"}] * 20
    rows += [{"given_label": "b"}] * 20
    (place,) = propose(make_findings(rows)).collection
    assert (place["where"], place["samples"], place["troubled"]) == ("class b", 40, 0.5)
    assert place["examples"] == [f"s{n}" for n in range(40, 45)]
    assert place["wanted"] == 40  # twice the usual share: as many again


@given(
    st.lists(
        st.tuples(st.floats(0, 1), st.booleans(), st.floats(0, 1), st.integers(0, 5)), min_size=2
    ),
    st.sampled_from(sorted(POLICIES)),
)
def test_budgets_and_weights_hold_for_all_findings(samples, name):
    kinds = ("mislabelled", "ambiguous", "near_cluster", "outlier", "hard", "clean")
    rows = [
        {
            "suspicion": suspicion,
            "flagged": flagged,
            "suggested_label": "b" if flagged else None,
            "suggestion_confidence": suspicion * sure if flagged else np.nan,
            "kind": kinds[kind],
        }
        for suspicion, flagged, sure, kind in samples
    ]
    plan, policy = propose(make_findings(rows), name), POLICIES[name]
    out = [edit for edit in plan.edits if edit.action in LEAVE_OUT]
    assert len(out) <= policy.budget * len(rows)
    assert len(out) <= policy.class_share * len(rows)
    assert all(policy.least_weight <= e.weight <= 1 for e in plan.only(action="reweight").edits)
    assert all(e.confidence >= policy.relabel_confidence for e in plan.only(action="relabel").edits)
    assert {e.kind for e in plan.edits}.isdisjoint({"hard", "near_cluster"})


def test_cleared_samples_come_back_from_quarantine():
    plan = Plan((Edit("s0", "quarantine"), Edit("s1", "quarantine"), Edit("s2", "trim")))
    later = make_findings([{"suspicion": 0.05}, wrong(0.9, 0.9), {"suspicion": 0.0}])
    back = readmit(plan, later)
    assert list(actions(back)) == ["s1", "s2"]
    assert back.notes == ("1 of 2 samples came back from quarantine.",)
    assert readmit(back, later) is back
