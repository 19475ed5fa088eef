import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.core.edit import ACTIONS, Edit
from chaffinch.core.errors import InputError
from chaffinch.repair.plan import Plan

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1)


@st.composite
def edits(draw, name: str) -> Edit:
    action = draw(st.sampled_from(ACTIONS))
    share = draw(st.floats(0.01, 0.99))
    return Edit(
        name,
        action,
        kind=draw(st.sampled_from(["", "mislabelled", "outlier"])),
        old_label=draw(st.none() | WORDS),
        new_label=draw(WORDS) if action == "relabel" else None,
        weight=share if action == "reweight" else None,
        soft_label=(("x", share), ("y", 1 - share)) if action == "soften" else None,
        copies=draw(st.integers(1, 3)) if action == "augment" else 0,
        source="twin" if action == "deduplicate" else "",
        reason=draw(st.just("") | WORDS),
        confidence=draw(st.floats(0, 1) | st.just(math.nan)),
        who=draw(st.sampled_from(["chaffinch", "ann"])),
    )


@st.composite
def plans(draw) -> Plan:
    names = draw(st.lists(WORDS, unique=True, max_size=4))
    return Plan(
        tuple(draw(edits(name)) for name in names),
        "f" * 32,
        "mine",
        ("A note.",),
        ({"where": "class a", "samples": 3},),
    )


@given(plans())
def test_json_gives_the_plan_back(plan):
    assert Plan.from_json(plan.to_json()) == plan
    assert Plan.from_json(plan.to_json()).digest == plan.digest


@given(plans())
def test_a_table_gives_the_edits_back(plan):
    assert plan.of_table(plan.table).edits == plan.edits


@given(plans())
def test_csv_gives_the_edits_back(tmp_path_factory, plan):
    path = tmp_path_factory.mktemp("plan") / "plan.csv"
    plan.to_csv(path)
    assert Plan.read(path).edits == plan.edits


def test_rows_of_a_plan_that_hold_more_cells_than_columns_are_named(tmp_path):
    plan = Plan((Edit("a", "trim", reason="odd"), Edit("b", "trim", reason="far, and odd")))
    text = plan.to_csv(tmp_path / "plan.csv")
    (tmp_path / "plan.csv").write_text(text.replace('"far, and odd"', "far, and odd"))
    with pytest.raises(InputError, match=r"as many cells as .* in 1 row \(line 3 has"):
        Plan.from_csv(tmp_path / "plan.csv")


def test_selections_are_each_others_rest():
    plan = Plan(
        (
            Edit("a", "trim", "outlier"),
            Edit("b", "trim", "mislabelled"),
            Edit("c", "relabel", "mislabelled", new_label="x"),
        )
    )
    assert [e.id for e in plan.only(kind="mislabelled").edits] == ["b", "c"]
    assert [e.id for e in plan.only(kind="mislabelled", action="trim").edits] == ["b"]
    assert [e.id for e in plan.without(kind="mislabelled", action="trim").edits] == ["a", "c"]
    assert [e.id for e in plan.without("a").edits] == ["b", "c"]
    assert [e.id for e in plan.without(["a", "c"]).edits] == ["b"]
    with pytest.raises(TypeError, match="colour"):
        plan.only(colour="red")
    with pytest.raises(InputError, match="ids, kind or action"):
        plan.without()


def test_a_later_edit_replaces_an_earlier_one():
    plan = Plan((Edit("a", "trim"), Edit("b", "trim")))
    changed = plan.with_edits(Edit("a", "review"), Edit("c", "trim"))
    assert [(e.id, e.action) for e in changed.edits] == [
        ("a", "review"),
        ("b", "trim"),
        ("c", "trim"),
    ]
    assert changed.counts == {"trim": 2, "review": 1}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"action": "burn"}, "one of the actions trim"),
        ({"action": "relabel"}, "a new label"),
        ({"action": "reweight", "weight": 0.0}, "a weight above 0"),
        ({"action": "reweight", "weight": 1.5}, "a weight above 0"),
        ({"action": "augment"}, "at least one copy"),
        ({"action": "soften", "soft_label": {"a": 0.5}}, "sum to 1"),
        ({"action": "trim", "confidence": 2.0}, "a confidence in 0..1"),
        ({"action": "trim", "colour": "red"}, "an edit with id"),
        ({"action": "augment", "copies": "two"}, "usable values"),
    ],
)
def test_impossible_edits_are_refused(given, words):
    with pytest.raises(InputError, match=words):
        Edit.from_dict({"id": "a", **given})


def test_two_edits_of_one_sample_are_refused():
    with pytest.raises(InputError, match="at most one edit a sample"):
        Plan((Edit("a", "trim"), Edit("a", "review")))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "chaffinch plan", "version": 99}'])
def test_what_is_no_plan_is_refused(text):
    with pytest.raises(InputError, match="a plan of version 1"):
        Plan.from_json(text)


def test_files_that_are_no_plans_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"\.json or \.csv"):
        Plan.read(tmp_path / "plan.xml")
    with pytest.raises(InputError, match="a plan at"):
        Plan.read(tmp_path / "absent.json")
    for name in ("plan.csv", "plan.json"):
        (tmp_path / name).write_bytes("id,action,reason\na,trim,Küken\n".encode("cp1252"))
        with pytest.raises(InputError, match=r"text in UTF-8 in .*plan\..*Save it as UTF-8"):
            Plan.read(tmp_path / name)
    with pytest.raises(InputError, match="to write"):
        Plan().to_json(tmp_path / "absent" / "plan.json")


@pytest.mark.parametrize("text", ["", "id,what\na,trim\n", "action\n", "a;b;c\n"])
def test_a_table_without_its_columns_is_no_empty_plan(tmp_path, text):
    path = tmp_path / "plan.csv"
    path.write_text(text)
    with pytest.raises(InputError, match="the columns id and action"):
        Plan.read(path)
    with pytest.raises(InputError, match="the columns id and action"):
        Plan().of_table(pd.DataFrame())


def test_tables_of_spreadsheets_and_pandas_are_read(tmp_path):
    plan = Plan((Edit("a", "augment", copies=2), Edit("b", "relabel", new_label="1")))
    path = tmp_path / "plan.csv"
    plan.to_csv(path)
    pd.read_csv(path).to_csv(path, index=False)  # whole numbers become 2.0
    assert [edit.copies for edit in Plan.read(path).edits] == [2, 0]
    path.write_text("id;action;weight\na;reweight;0.5\n")
    assert Plan.read(path).edits == (Edit("a", "reweight", weight=0.5),)
    with pytest.raises(InputError, match="whole number"):
        Edit.from_dict({"id": "a", "action": "augment", "copies": "1.5"})
