"""Exports in the formats of other tools, and decisions back from them."""

import copy
import json
import shutil
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from insects import insects
from PIL import Image

import chaffinch as cf
from chaffinch.core.errors import InputError
from chaffinch.pipeline.exchange import FORMATS, export_run, import_decisions
from chaffinch.pipeline.exchange.reading import SOURCES
from chaffinch.pipeline.ledger import ledger_for, run_id


@pytest.fixture(scope="module")
def scanned(tmp_path_factory):
    """One run for all tests; each gets a copy."""
    place = tmp_path_factory.mktemp("scanned")
    insects(["ant", "bee", "cow"], 0.1).to_csv(place / "insects.csv", index=False)
    cf.scan(place / "insects.csv", out=place / "run", epochs=8, folds=2)
    return place / "run"


@pytest.fixture
def run(scanned, tmp_path, monkeypatch):
    monkeypatch.delenv("CHAFFINCH_LEDGER", raising=False)
    shutil.copytree(scanned, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def findings(run):
    table = pd.read_parquet(run / "findings.parquet")
    return table.sort_values("suspicion", ascending=False, kind="stable", ignore_index=True)


def test_tables_hold_all_findings_most_suspicious_first(run, findings, tmp_path):
    kept = {
        form: export_run(run, form, tmp_path / f"{form}.out") for form in ("csv", "parquet", "json")
    }
    pd.testing.assert_frame_equal(pd.read_parquet(kept["parquet"]), findings)
    assert pd.read_csv(kept["csv"])["id"].astype(str).tolist() == findings["id"].tolist()
    read = json.loads(kept["json"].read_text())
    assert [row["suspicion"] for row in read] == findings["suspicion"].tolist()
    assert list(read[0]) == list(findings.columns)
    flagged = export_run(run, "csv", tmp_path / "flagged.csv", rows="flagged")
    assert len(pd.read_csv(flagged)) == findings["flagged"].sum() > 0


def test_cleanlab_columns_are_those_of_its_datalab(run, findings, tmp_path):
    table = pd.read_csv(export_run(run, "cleanlab", tmp_path / "c.csv"))
    assert {"is_label_issue", "label_score", "given_label", "predicted_label"} <= set(table.columns)
    wrong = (findings["flagged"] & (findings["kind"] == "mislabelled")).to_numpy()
    np.testing.assert_array_equal(table["is_label_issue"], wrong)
    assert table["label_score"].between(0, 1).all()
    assert table["label_score"][wrong].max() < table["label_score"][~wrong].median()
    datalab = pytest.importorskip("cleanlab.datalab.internal.issue_manager.label")
    assert datalab.LabelIssueManager.issue_score_key == "label_score"


def test_formulas_are_quoted_on_request_and_read_back(run, findings, tmp_path, monkeypatch):
    bad = findings.assign(given_label=findings["given_label"].replace("ant", "=HYPERLINK(1)"))
    bad.loc[:4, "id"] = ["=1+1", "+2", "-3", "@SUM(A1)", "\t=x"]
    bad["suspicion"] = -bad["suspicion"]  # numbers stay numbers
    bad.to_parquet(run / "findings.parquet")
    plain = pd.read_csv(export_run(run, "csv", tmp_path / "p.csv"))
    assert {"=1+1", "+2", "-3", "@SUM(A1)"} <= set(plain["id"])
    for form in ("csv", "cleanlab"):
        text = export_run(run, form, tmp_path / f"{form}.csv", safe_csv=True).read_text()
        cells = pd.read_csv(tmp_path / f"{form}.csv", dtype=str).select_dtypes(include=["str", "O"])
        begins = {str(cell)[0] for name in ("id", "given_label") for cell in cells[name]}
        assert "'" in begins
        assert not begins & set("=+-@\t")
        assert "'=1+1" in text
    numbers = pd.read_csv(tmp_path / "csv.csv")["suspicion"]
    np.testing.assert_allclose(np.sort(numbers), np.sort(bad["suspicion"]))
    with pytest.raises(InputError, match="--safe-csv"):
        export_run(run, "json", tmp_path / "x.json", safe_csv=True)
    decided = tmp_path / "decided.csv"
    decided.write_text("id,action,reviewer\n'=1+1,keep,ann\n'+2,remove,ann\n")
    ledger = ledger_for(run)
    assert import_decisions(run, decided, "csv", ledger) == (2, 2)
    assert set(ledger.decisions(run_id(run))["sample"]) == {"=1+1", "+2"}


def test_label_studio_gets_tasks_with_predictions_and_an_interface(run, findings, tmp_path):
    place = export_run(run, "label-studio", tmp_path / "tasks.json")
    tasks = json.loads(place.read_text("utf-8"))
    flagged = findings[findings["flagged"]]
    assert [task["data"]["chaffinch_id"] for task in tasks] == flagged["id"].tolist()
    interface = ElementTree.parse(place.with_suffix(".xml")).getroot()
    controls = {part.get("name"): part for part in interface.iter() if part.get("name")}
    shown = controls["sample"].get("value")
    assert [c.get("value") for c in controls["label"]] == ["ant", "bee", "cow"]
    for task, row in zip(tasks, flagged.to_dict("records"), strict=True):
        assert task["data"][shown[1:]].startswith("a: ")
        [prediction] = task["predictions"]
        assert prediction["score"] == row["suggestion_confidence"]
        [result] = prediction["result"]
        assert result["value"] == {"choices": [row["suggested_label"]]}
        assert result["to_name"] == controls[result["from_name"]].get("toName") == "sample"
    names = [task["predictions"][0]["result"][0]["id"] for task in tasks]
    assert len(set(names)) == len(tasks)


def test_argilla_gets_records_with_suggestions(run, findings, tmp_path):
    records = json.loads(export_run(run, "argilla", tmp_path / "a.json").read_text("utf-8"))
    for record, row in zip(records, findings[findings["flagged"]].to_dict("records"), strict=True):
        assert record["id"] == row["id"]
        assert set(record) == {"id", "fields", "metadata", "suggestions", "responses", "vectors"}
        assert record["suggestions"]["label"]["value"] == row["suggested_label"]
        assert record["metadata"]["suspicion"] == row["suspicion"]


def test_nothing_is_written_over_without_leave(run, tmp_path):
    interface = tmp_path / "tasks.xml"
    interface.write_text("mine")
    with pytest.raises(InputError, match=r"no file at .*tasks\.xml"):
        export_run(run, "label-studio", tmp_path / "tasks.json")
    with pytest.raises(InputError, match=r"ends in \.json"):
        export_run(run, "label-studio", interface, overwrite=True)
    with pytest.raises(InputError, match="a folder"):
        export_run(run, "csv", tmp_path, overwrite=True)
    assert interface.read_text() == "mine"
    assert not (tmp_path / "tasks.json").exists()


@pytest.mark.parametrize("form", ["files", "arrays"])
def test_images_are_shown(tmp_path, form):
    random = np.random.default_rng(0)
    x, y = random.integers(0, 255, (12, 5, 5), np.uint8), np.arange(12) % 2
    data = (x, y)
    if form == "files":
        data = tmp_path / "images"
        for number, pixels in enumerate(x):
            (data / str(y[number])).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(data / str(y[number]) / f"100% #{number}.png")
    cf.scan(data, out=tmp_path / "run", epochs=1, folds=2)
    options = {"rows": "all"} if form == "files" else {"rows": "all", "data": data}
    tasks = json.loads(
        export_run(tmp_path / "run", "label-studio", tmp_path / "t", **options).read_text()
    )
    shown = [task["data"]["image"] for task in tasks]
    assert len(set(shown)) == 12
    # Label Studio serves what lies in a subfolder of its document root, here that of the test.
    start = "/data/local-files/?d=images/" if form == "files" else "data:image/png;base64,"
    assert all(image.startswith(start) for image in shown)
    if form == "files":
        below = (image.partition("?d=")[2] for image in shown)
        assert all((tmp_path / unquote(name)).is_file() for name in below)
        records = export_run(tmp_path / "run", "argilla", tmp_path / "a.json", rows="all")
        fields = [record["fields"]["image"] for record in json.loads(records.read_text())]
        assert all(Path(field).is_file() for field in fields)
    if form == "arrays":
        with pytest.raises(InputError, match="in memory"):
            export_run(tmp_path / "run", "argilla", tmp_path / "u", rows="all")


def test_exports_that_cannot_be(run, tmp_path, monkeypatch):
    for options, message in (
        ({"to": "excel"}, "a format among csv, parquet"),
        ({"to": "csv", "rows": "some"}, "'all' or 'flagged'"),
        ({"to": "label-studio", "data": tmp_path / "gone.csv"}, "exists"),
    ):
        with pytest.raises(InputError, match=message):
            export_run(run, out=tmp_path / "x", **options)
    other = tmp_path / "other.csv"
    other.write_text("a,b,c,d,label\n1,2,3,4,ant\n")
    with pytest.raises(InputError, match="the data that were scanned"):
        export_run(run, "argilla", tmp_path / "x", data=other)
    monkeypatch.chdir(tmp_path)
    place = export_run(run, "csv")
    assert place.name == "run-csv.csv"
    before = place.read_bytes()
    with pytest.raises(InputError, match="--overwrite"):
        export_run(run, "csv", rows="flagged")
    assert place.read_bytes() == before
    export_run(run, "csv", rows="flagged", overwrite=True)
    assert place.read_bytes() != before
    assert not list(tmp_path.glob("*.draft"))
    assert not (tmp_path / "x").exists()
    assert set(FORMATS) == {"csv", "parquet", "json", "cleanlab", "label-studio", "argilla"}


def label_studio(run, tmp_path, findings):
    """What two people made of the first three tasks, as Label Studio exports it."""
    tasks = json.loads(export_run(run, "label-studio", tmp_path / "t.json").read_text())[:3]

    def annotation(who, when, **chosen):
        result = [
            {
                "from_name": name,
                "to_name": "sample",
                "type": "choices",
                "value": {"choices": [word]},
            }
            for name, word in chosen.items()
        ]
        return {
            "completed_by": who,
            "result": result,
            "was_cancelled": False,
            "created_at": when,
            "updated_at": when,
        }

    first = findings.iloc[0]
    tasks[0]["annotations"] = [
        annotation(
            {"id": 1, "email": "ann@lab.org"}, "2025-01-01T10:00:00Z", label=first["given_label"]
        ),
        annotation(7, "2025-01-01T11:00:00Z", label=first["suggested_label"]),
    ]
    tasks[1]["annotations"] = [annotation(7, "2025-01-02T10:00:00Z", action="remove")]
    tasks[2]["annotations"] = [
        {**annotation(7, "2025-01-03T10:00:00Z"), "was_cancelled": True},
        annotation(8, "2025-01-03T10:00:00Z"),
    ]
    return tasks


def test_annotations_of_label_studio_become_decisions_once(run, findings, tmp_path):
    file = tmp_path / "exported.json"
    file.write_text(json.dumps(label_studio(run, tmp_path, findings)))
    ledger = ledger_for(run)
    names = {"user 7": "Bob"}
    assert import_decisions(run, file, "label-studio", ledger, names=names) == (4, 4)
    assert import_decisions(run, file, "label-studio", ledger, names=names) == (4, 0)
    found = ledger.decisions(run_id(run)).set_index(["sample", "reviewer"])
    ids = findings["id"].tolist()
    assert found.loc[(ids[0], "ann@lab.org"), "action"] == "keep"
    changed = found.loc[(ids[0], "Bob")]
    assert (changed["action"], changed["label"]) == ("relabel", findings["suggested_label"][0])
    assert changed["decided_at"] == "2025-01-01T11:00:00.000000+00:00"
    assert changed["source"] == "label-studio"
    assert found.loc[(ids[1], "Bob"), "action"] == "remove"
    assert found.loc[(ids[2], "Bob"), "action"] == "unsure"


def test_the_short_form_of_label_studio_is_read_too(run, findings, tmp_path):
    task = {
        "id": 1,
        "chaffinch_id": findings["id"][0],
        "chaffinch_run": run_id(run),
        "annotator": 3,
        "label": findings["given_label"][0],
        "reason": ["clear"],
        "updated_at": "2025-01-01T10:00:00Z",
    }
    file = tmp_path / "min.json"
    file.write_text(json.dumps([task, {**task, "label": None}]))
    ledger = ledger_for(run)
    assert import_decisions(run, file, "label-studio", ledger) == (1, 1)
    [row] = ledger.decisions(run_id(run)).to_dict("records")
    assert (row["action"], row["reason"], row["reviewer"]) == ("keep", "clear", "user 3")


def test_responses_of_argilla_become_decisions(run, findings, tmp_path):
    records = json.loads(export_run(run, "argilla", tmp_path / "a.json").read_text())
    records[0]["responses"] = {
        "label": [
            {"value": findings["suggested_label"][0], "user_id": "u1"},
            {"value": findings["given_label"][0], "user_id": "u2"},
            {"value": findings["given_label"][0], "user_id": "u3", "status": "draft"},
        ],
        "reason": [{"value": "blurred", "user_id": "u2"}],
    }
    records[1]["responses"] = {"action": [{"value": "quarantine", "user_id": "u1"}]}
    file = tmp_path / "answered.json"
    file.write_text(json.dumps(records))
    ledger = ledger_for(run)
    assert import_decisions(run, file, "argilla", ledger, names={"u1": "Ann"}) == (3, 3)
    assert import_decisions(run, file, "argilla", ledger, names={"u1": "Ann"}) == (3, 0)
    found = ledger.decisions(run_id(run)).set_index(["sample", "reviewer"])
    assert found.loc[(findings["id"][0], "Ann"), "action"] == "relabel"
    assert found.loc[(findings["id"][0], "u2"), "reason"] == "blurred"
    assert found.loc[(findings["id"][1], "Ann"), "action"] == "quarantine"


def flat(record):
    """A record as ``dataset.records.to_list(flatten=True)`` gives it."""
    told = {"id": record["id"], "_server_id": None, **record["fields"], **record["metadata"]}
    for question, responses in record["responses"].items():
        name = f"{question}.responses"
        told[name] = [one["value"] for one in responses]
        told[f"{name}.users"] = [one["user_id"] for one in responses]
        told[f"{name}.status"] = [one["status"] for one in responses]
    for question, suggestion in record["suggestions"].items():
        told[f"{question}.suggestion"] = suggestion["value"]
        told[f"{question}.suggestion.score"] = suggestion["score"]
    return told


def test_flat_records_of_argilla_say_what_is_a_draft(run, findings, tmp_path):
    records = json.loads(export_run(run, "argilla", tmp_path / "a.json", rows="all").read_text())
    labels = findings["given_label"].tolist()

    def said(value, user, status):
        return {"value": value, "user_id": user, "status": status}

    records[0]["responses"] = {
        "label": [said(labels[0], "u1", "submitted"), said(labels[0], "u2", "draft")],
        "reason": [said("blurred", "u1", "submitted")],
    }
    records[1]["responses"] = {"label": [said(labels[1], "u2", "discarded")]}
    records[2]["responses"] = {"action": [said("remove", "u1", None)]}
    flattened = [flat(record) for record in records[:4]]
    keys = {key for record in flattened for key in record}
    # Argilla gives every record the keys of all.
    file = tmp_path / "flat.json"
    file.write_text(json.dumps([{**dict.fromkeys(keys), **record} for record in flattened]))
    ledger = ledger_for(run)
    assert import_decisions(run, file, "argilla", ledger) == (3, 3)
    found = ledger.decisions(run_id(run)).set_index("sample")
    assert found["action"].to_dict() == {
        findings["id"][0]: "keep",
        findings["id"][1]: "unsure",
        findings["id"][2]: "remove",
    }
    assert (found["reviewer"][findings["id"][0]], found["reason"][findings["id"][0]]) == (
        "u1",
        "blurred",
    )


PIECES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=4,
)


@pytest.mark.parametrize("source", ["label-studio", "argilla"])
@settings(max_examples=150)
@given(data=st.data())
def test_no_export_of_a_tool_is_too_odd_for_a_message(source, data):
    """Any part of a good export replaced by anything is read, or refused in words."""
    good = {
        "label-studio": [
            {
                "id": 1,
                "data": {"chaffinch_id": "s", "chaffinch_run": "r"},
                "annotations": [
                    {
                        "completed_by": {"email": "a@b"},
                        "updated_at": "2025-01-01",
                        "result": [{"from_name": "label", "value": {"choices": ["ant"]}}],
                    }
                ],
            },
            {"chaffinch_id": "s", "label": "ant", "annotator": 3},
        ],
        "argilla": [
            {
                "id": "s",
                "metadata": {"chaffinch_run": "r"},
                "responses": {"label": [{"value": "ant", "user_id": "u", "status": "draft"}]},
            },
            {
                "id": "s",
                "chaffinch_run": "r",
                "label.responses": ["x"],
                "label.responses.users": [],
            },
        ],
    }[source]
    broken = copy.deepcopy(good)
    here, key = {"top": broken}, "top"
    while isinstance(here[key], dict | list) and here[key] and data.draw(st.booleans()):
        here = here[key]
        keys = sorted(here) if isinstance(here, dict) else range(len(here))
        key = data.draw(st.sampled_from(keys))
    here[key] = data.draw(PIECES)
    with suppress(InputError):
        for answer in SOURCES[source](json.dumps(broken if key != "top" else here["top"])):
            assert isinstance(answer.sample, str)
            assert answer.label is None or isinstance(answer.label, str)
            answer.decision("ant", source)


def test_a_table_with_decisions_is_read(run, findings, tmp_path):
    place = export_run(run, "csv", tmp_path / "review.csv")
    table = pd.read_csv(place).assign(label="", action="", confidence=np.nan, reviewer="")
    table["label"] = table["label"].astype(object)
    table.loc[0, ["label", "reviewer"]] = [findings["suggested_label"][0], "Cyd"]
    table.loc[0, "confidence"] = 0.75
    table.loc[1, "action"] = "keep"
    table.to_csv(place, index=False)
    ledger = ledger_for(run)
    assert import_decisions(run, place, "csv", ledger, reviewer="Dee") == (2, 2)
    assert import_decisions(run, place, "csv", ledger, reviewer="Dee") == (2, 0)
    found = ledger.decisions(run_id(run)).set_index("reviewer")
    assert (found.loc["Cyd", "action"], found.loc["Cyd", "confidence"]) == ("relabel", 0.75)
    assert found.loc["Dee", "action"] == "keep"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252", "utf-16"])
def test_tables_as_spreadsheets_write_them_are_read(run, findings, tmp_path, encoding):
    file = tmp_path / "review.csv"
    first, second = findings["id"][:2]
    label = findings["given_label"][0]
    text = f'id;label;action;reason;confidence\r\n{first};{label};;"sür;\nyes";0,75\r\n'
    file.write_bytes(f"{text}{second};;remove;;\r\n".encode(encoding))
    ledger = ledger_for(run)
    assert import_decisions(run, file, "csv", ledger, reviewer="Cyd") == (2, 2)
    found = ledger.decisions(run_id(run)).set_index("sample")
    assert found["action"].to_dict() == {first: "keep", second: "remove"}
    assert found["reason"][first] == "sür;\nyes"
    assert found["confidence"][first] == 0.75


def test_labels_that_a_table_made_decimals_are_the_classes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"a": random.normal(size=40) + 4 * (np.arange(40) % 2)})
    frame.assign(label=np.arange(40) % 2).to_csv("data.csv", index=False)
    cf.scan("data.csv", out="run", epochs=2, folds=0, canaries=False)
    place = export_run("run", "csv", tmp_path / "review.csv")
    table = pd.read_csv(place)
    table["label"] = table["given_label"].where(table.index < 3)
    table.to_csv(place, index=False)
    assert "0.0" in place.read_text() or "1.0" in place.read_text()
    ledger = ledger_for("run")
    assert import_decisions("run", place, "csv", ledger, reviewer="Cyd") == (3, 3)
    assert set(ledger.decisions(run_id("run"))["action"]) == {"keep"}


@pytest.mark.parametrize(
    ("source", "content", "message"),
    [
        ("excel", "", "a source among label-studio"),
        ("csv", "id,label\nx," + "y" * 200_000, "field larger than field limit"),
        ("csv", "a,b\n1,2\n", "the columns id and action or label"),
        ("csv", "id,label\nnobody,ant\n", "Name one with --reviewer"),
        ("csv", "id,label,reviewer\nnobody,ant,ann\n", "on others, such as 'nobody'"),
        ("csv", "id,label,reviewer\nFIRST,lion,ann\n", "among the 3 classes"),
        ("csv", "id,action,reviewer,confidence\nFIRST,keep,ann,high\n", "'high' in line 2"),
        ("csv", "id,action,reviewer\nFIRST,burn,ann\n", "decision among keep"),
        ("csv", "id,action,reviewer\nFIRST,relabel,ann\n", "a label for 'relabel'"),
        ("label-studio", "{", "a file of JSON"),
        ("label-studio", "{}", "a list of tasks"),
        ("label-studio", '[{"id": 1, "label": "ant"}]', "without chaffinch_id"),
        (
            "label-studio",
            '[{"chaffinch_id": "FIRST", "chaffinch_run": "another", "label": "ant",'
            ' "annotator": 1}]',
            "decisions on the run another",
        ),
        ("label-studio", '[{"data": 3, "annotations": [{}]}]', "parts of another form"),
        ("argilla", "[1]", "a list of records"),
        ("argilla", '[{"id": 1, "responses": {"label": "ant"}}]', "parts of another form"),
    ],
)
def test_decisions_that_cannot_be_read_leave_the_ledger_as_it_was(
    run, findings, tmp_path, source, content, message
):
    file = tmp_path / "decisions"
    file.write_text(content.replace("FIRST", findings["id"][0]))
    ledger = ledger_for(run)
    before = ledger.head()
    with pytest.raises(InputError, match=message):
        import_decisions(run, file, source, ledger)
    with pytest.raises(InputError):
        import_decisions(run, tmp_path / "absent", source, ledger)
    assert ledger.head() == before
