"""Explain, propose, apply, review, calibrate and verify of runs on labels that are no classes."""

import json
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet
from test_own_task import ANGLES

import chaffinch as cf
from chaffinch.core.edit import Edit
from chaffinch.core.errors import InputError
from chaffinch.core.kinds import Kind
from chaffinch.data import open_data
from chaffinch.pipeline.ledger import ledger_for
from chaffinch.repair.kind_proposal import propose_by_kind
from chaffinch.repair.open_labels import LabelForm
from chaffinch.repair.plan import Plan
from chaffinch.review.app import make_app
from chaffinch.review.session import Session
from chaffinch.store.run import RunFolder

SLIPS = range(20)


@pytest.fixture(scope="module")
def prices():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(240, 3)).round(4)
    price = (x @ [3, 2, 1] * 10 + 100 + rng.normal(size=240)).round(1)
    price[: len(SLIPS)] = (price[: len(SLIPS)] * 10).round(1)
    return pd.DataFrame(x, columns=list("abc")).assign(price=price)


@pytest.fixture(scope="module")
def right(prices):
    return (prices["price"].iloc[: len(SLIPS)] / 10).round(1)


@pytest.fixture(scope="module")
def scanned(prices, tmp_path_factory):
    place = tmp_path_factory.mktemp("prices")
    prices.to_csv(place / "prices.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHAFFINCH_LEDGER", "none")
        cf.scan(place / "prices.csv", label="price", out=place / "run")
    return place


@pytest.fixture
def kept(scanned, tmp_path, monkeypatch):
    """A run in a folder of the test's own, whose ledger lies beside it."""
    monkeypatch.delenv("CHAFFINCH_LEDGER", raising=False)
    shutil.copytree(scanned, tmp_path, dirs_exist_ok=True)
    return cf.Run.open(tmp_path / "run").attach(tmp_path / "prices.csv")


@pytest.fixture
def angles(tmp_path):
    file = tmp_path / "angles.py"
    file.write_text(ANGLES)
    return file


@pytest.fixture
def compass():
    rng = np.random.default_rng(0)
    turn = rng.uniform(0, 360, 200)
    radians = np.deg2rad(turn)
    frame = pd.DataFrame({"east": np.cos(radians), "north": np.sin(radians)})
    frame["label"] = turn.round().astype(int)
    frame.loc[:9, "label"] = (frame.loc[:9, "label"] + 180) % 360
    return frame


def test_a_plan_gives_suggested_targets_and_survives_json(kept, right, tmp_path):
    plan = kept.propose()
    made = {edit.row: edit for edit in plan.edits if edit.action == "relabel"}
    assert set(made) <= set(SLIPS)
    assert len(made) >= 15
    for row, edit in made.items():
        assert float(edit.new_label) == right[row]
        assert edit.kind == "unit_slip"
    assert Plan.from_json(plan.to_json()) == plan
    assert Plan.read(kept.path / "repair.json") == plan
    plan.to_csv(tmp_path / "plan.csv")
    out = kept.apply(tmp_path / "plan.csv", tmp_path / "clean.csv")
    clean = pd.read_csv(out)
    assert clean["price"][list(made)].tolist() == right[list(made)].tolist()
    history = kept.history()
    assert (history["what"] == "version").sum() == 2


def test_untouched_rows_of_a_file_keep_every_byte(kept, tmp_path):
    plan = kept.propose().only(action="relabel")
    before = (tmp_path / "prices.csv").read_text().splitlines()
    after = kept.apply(plan, tmp_path / "clean.csv").read_text().splitlines()
    changed = {edit.row for edit in plan.edits}
    for row, (old, new) in enumerate(zip(before[1:], after[1:], strict=True)):
        assert (old != new) == (row in changed)
        assert old.rsplit(",", 1)[0] == new.rsplit(",", 1)[0]


@pytest.mark.parametrize("form", ["frame", "arrow", "parquet", "jsonl", "pair", "mapping"])
def test_every_form_of_data_gets_new_targets(prices, right, form, tmp_path):
    x, y = prices[list("abc")].to_numpy(), prices["price"].to_numpy()
    given = {
        "frame": prices,
        "arrow": pa.Table.from_pandas(prices),
        "parquet": tmp_path / "p.parquet",
        "jsonl": tmp_path / "p.jsonl",
        "pair": (x, y),
        "mapping": {"X": x, "y": y},
    }[form]
    parquet.write_table(pa.Table.from_pandas(prices), tmp_path / "p.parquet")
    prices.to_json(tmp_path / "p.jsonl", orient="records", lines=True)
    label = None if form in ("pair", "mapping") else "price"
    ids = open_data(given, label=label, trainable=False).ids
    rows = [3, 8, 11]
    edits = (Edit(str(ids[row]), "relabel", new_label=str(right[row])) for row in rows)
    plan = Plan(tuple(edits), open_labels=True)
    out = tmp_path / f"clean.{form}" if form in ("parquet", "jsonl") else None
    made = plan.apply(given, out=out, label=label)
    if form == "parquet":
        assert parquet.read_schema(made).field("price").type == pa.float64()
    values = {
        "frame": lambda: made["price"].to_numpy(),
        "arrow": lambda: made["price"].to_numpy(),
        "parquet": lambda: pd.read_parquet(made)["price"].to_numpy(),
        "jsonl": lambda: pd.read_json(made, lines=True)["price"].to_numpy(),
        "pair": lambda: made.y,
        "mapping": lambda: made["y"],
    }[form]()
    assert values.dtype == np.float64
    np.testing.assert_array_equal(values[rows], right[rows])
    np.testing.assert_array_equal(np.delete(values, rows), np.delete(y, rows))


def test_whole_numbers_stay_whole(angles, compass):
    run = cf.scan(compass, task=f"{angles}:Angles")
    made = run.apply(run.propose())
    assert made["label"].dtype == compass["label"].dtype
    apart = (made["label"] - compass["label"])[:10].abs()
    assert apart.between(150, 210).all()


def test_what_is_strict_leaves_out(kept):
    plan = kept.propose("strict")
    assert plan.counts.get("trim", 0) >= 15
    assert "relabel" not in plan.counts
    assert len(kept.apply(plan)) == 240 - plan.counts["trim"]


def test_a_kind_says_what_is_done_about_it(kept):
    kinds = kept.info.task.kinds
    asked = {**kinds, "unit_slip": Kind(**{**vars(kinds["unit_slip"]), "step": "review"})}
    plan = propose_by_kind(kept.findings, asked)
    actions = {edit.action for edit in plan.edits if edit.kind == "unit_slip"}
    assert actions == {"review"}


def test_samples_are_explained(kept, right):
    told = kept.explain()
    assert [one.suspicion for one in told] == sorted((one.suspicion for one in told), reverse=True)
    (one,) = kept.explain(0)
    assert one.kind == "unit_slip"
    assert float(one.counterfactual_label) == right[0]
    assert "ten times" in one.why
    assert cf.explain(kept.path, 0) == [one]
    (fine,) = kept.explain(100)
    assert fine.why == "Nothing speaks against its label."


def test_reviewers_accept_change_and_keep(kept, right, tmp_path):
    session = Session(RunFolder(kept.path), ledger_for(kept.path), "Ann", checks=0)
    assert make_app(session, 1)
    from chaffinch.review.page import desk
    from chaffinch.review.queue import Wish

    page = desk(session, Wish.read({}), 0, None)
    assert f'value="{right[0]}"' in page
    assert "Another target" in page
    session.decide(0, "relabel", str(right[0]))
    session.decide(1, "relabel", "77")
    session.decide(2, "keep")
    session.decide(50, "remove")
    assert session.decide(3, "relabel", session.given[3]).action == "keep"
    with pytest.raises(InputError, match="a number as label"):
        session.decide(4, "relabel", "dear")
    session.learn()
    assert not session.trouble
    plan = kept.propose()
    edits = {edit.row: edit for edit in plan.edits}
    assert float(edits[0].new_label) == right[0]
    assert float(edits[1].new_label) == 77
    assert edits[50].action == "trim"
    assert not {2, 3} & set(edits)
    clean = pd.read_csv(kept.apply(plan, tmp_path / "clean.csv"))
    assert clean["price"][1] == 77


def test_answers_recalibrate_and_keep_the_kinds(kept):
    asked = kept.findings.to_check(40)
    answers = {one: row in SLIPS for one, row in zip(asked["id"], asked["row"], strict=True)}
    learned = kept.calibrate(answers)
    told = learned.findings.details["calibration"]
    assert told["answers"] == 40
    assert abs(told["rate"] - len(SLIPS) / 240) < 0.03
    flagged = learned.flagged
    assert set(flagged["kind"]) <= {"unit_slip", "wrong_target"}
    columns = [f"p_{name}" for name in kept.info.task.kinds]
    np.testing.assert_allclose(learned.table[columns].sum(axis=1), 1, atol=1e-6)
    wrong = learned.table[["p_unit_slip", "p_wrong_target"]].sum(axis=1)
    np.testing.assert_allclose(wrong, learned.table["suspicion"], atol=1e-6)
    plan = learned.propose()  # what is said to be wrong, and no more, asks for another look
    assert len({edit.row for edit in plan.edits} & set(SLIPS)) >= 15


@pytest.mark.slow
def test_a_plan_is_verified_on_clean_and_on_own_data(kept, prices):
    rng = np.random.default_rng(5)
    x = rng.normal(size=(150, 3))
    clean = pd.DataFrame(x, columns=list("abc")).assign(price=x @ [3, 2, 1] * 10 + 100)
    plan = kept.propose()
    outcome = kept.verify(plan, clean, seeds=2, control=False)
    assert outcome.metric == "mean absolute error"
    assert outcome.marks["repaired"]["error"] < outcome.marks["original"]["error"]
    page = (kept.path / "verification.html").read_text("utf-8")
    assert "mean absolute error" in page
    assert json.loads((kept.path / "verification.json").read_text())["metric"]


@pytest.mark.slow
def test_a_plan_that_harms_is_advised_against(kept, prices):
    edits = [
        Edit(str(one), "relabel", new_label=str(value))
        for one, value in zip(kept.table["id"], -prices["price"], strict=True)
    ]
    outcome = kept.verify(Plan(tuple(edits)), seeds=2, control=False)
    assert outcome.verdict == "harms"
    assert not outcome.passes
    assert "Do not apply" in outcome.notes[0]
    nothing = kept.verify(Plan(()), seeds=2)
    assert nothing.verdict == "no repair needed"


def test_a_task_in_a_file_is_found_again(angles, compass, tmp_path):
    compass.to_csv(tmp_path / "compass.csv", index=False)
    made = cf.scan(tmp_path / "compass.csv", task=f"{angles}:Angles", out=tmp_path / "run")
    run = cf.Run.open(made.path)
    assert run.info.task.reference == f"{angles}:Angles"
    plan = run.propose()
    assert plan.counts["relabel"] >= 9
    assert run.verify(plan, seeds=2, control=False).verdict in ("helps", "no difference")
    angles.unlink()
    assert len(cf.Run.open(made.path).propose()) == len(plan)
    with pytest.raises(InputError, match="the task 'angles', to train"):
        cf.Run.open(made.path).verify(plan)


@pytest.mark.parametrize(
    ("classes", "value", "text"),
    [
        ([1, 2], 2.4, "2"),
        ([1.5, 2.25], 3.14159, "3.14"),
        ([1.0, 2.0], 2.6, "3.0"),
        ([1 / 3, 2 / 3], 0.123456789, "0.123457"),
        (["a|b", "c"], "a|c", "a|c"),
    ],
)
def test_labels_are_written_as_the_data_write_theirs(classes, value, text):
    form = LabelForm.of(np.asarray(classes))
    assert form.text(value) == text
    assert form.text(form.value(text)) == text


def test_new_labels_of_another_type_are_refused(compass):
    bad = Plan((Edit("0", "relabel", new_label="north"),), open_labels=True)
    frame = compass.assign(id=[str(one) for one in range(200)])
    with pytest.raises(InputError, match="a whole number as label of sample '0'"):
        bad.apply(frame, id_column="id")
    closed = Plan((Edit("0", "relabel", new_label="999"),))
    with pytest.raises(InputError, match="a class of the data"):
        closed.apply(frame, id_column="id")


def test_answers_may_name_a_value_that_no_sample_has(kept, right):
    asked = kept.findings.to_check(30)
    answers = {
        one: 43.21 if row in SLIPS else False
        for one, row in zip(asked["id"], asked["row"], strict=True)
    }
    plan = kept.calibrate(answers).propose()
    told = {edit.id: edit for edit in plan.edits}
    named = [one for one, value in answers.items() if value]
    assert len(named) >= 5
    assert all(float(told[one].new_label) == 43.21 for one in named)
    in_memory = kept.findings.calibrate(answers)
    assert in_memory.details["calibration"]["wrong"] == len(named)
    with pytest.raises(InputError, match="answers that name one of the classes"):
        kept.findings.calibrate({asked["id"][0]: "dear"})
