"""Data sheets: what they must say, and that their Croissant has the structure of the standard."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import chaffinch as cf
from chaffinch.core.errors import InputError
from chaffinch.pipeline.datasheet import About, croissant, page, read_about, sheet_of, write_sheet
from chaffinch.pipeline.ledger import ledger_for, record_verification, run_id
from chaffinch.store.decision import Decision

SECTIONS = (
    "Overview",
    "Provenance",
    "Labelling standard",
    "Validation",
    "Known faults",
    "Use and upkeep",
)


@pytest.fixture(scope="module")
def scanned(tmp_path_factory):
    place = tmp_path_factory.mktemp("scanned")
    random = np.random.default_rng(7)
    truth = np.repeat([0, 1, 2], 40)
    centres = np.array([[0, 0, 0], [5, 0, 5], [0, 5, 5]])
    table = pd.DataFrame(centres[truth] + random.normal(size=(120, 3)), columns=list("abc"))
    labels, _ = cf.corruptions.uniform_flips(np.array(["ant", "b|ee", "cow"])[truth], 0.1, seed=3)
    table["d"] = random.integers(0, 5, 120)
    table["place"] = random.choice(["here", "there"], 120)
    table.assign(label=labels).to_csv(place / "insects.csv", index=False)
    cf.scan(place / "insects.csv", out=place / "run", epochs=8, folds=2)
    return place / "run"


@pytest.fixture
def run(scanned, tmp_path, monkeypatch):
    monkeypatch.delenv("CHAFFINCH_LEDGER", raising=False)
    shutil.copytree(scanned.parent, tmp_path / "all")
    return tmp_path / "all" / "run"


@pytest.fixture
def about(tmp_path):
    file = tmp_path / "about.toml"
    file.write_text(
        'name = "Insects"\nlicense = "CC-BY-4.0"\npublished = 2025-03-01\n'
        'labelling = "Two entomologists each, by the key of 1998."\ncreator = "The lab"\n'
        'version = "1.0"\ncitation = "Lab (2025)"\nurl = "https://example.org/insects"\n'
    )
    return read_about(file)


def check_croissant(document):
    """The rules of Croissant 1.0 on what refers to what."""
    assert document["@type"] == "sc:Dataset"
    assert "http://mlcommons.org/croissant/1.0" in document["conformsTo"]
    assert document["name"]
    assert document["description"]
    context = document["@context"]
    assert context["@vocab"] == "https://schema.org/"
    assert context["cr"] == "http://mlcommons.org/croissant/"
    for term in ("column", "extract", "field", "fileObject", "recordSet", "source", "key"):
        assert context[term] == f"cr:{term}"
    files = {item["@id"]: item for item in document["distribution"]}
    for item in files.values():
        assert item["@type"] in ("cr:FileObject", "cr:FileSet")
        needed = ("contentUrl", "sha256") if item["@type"] == "cr:FileObject" else ("includes",)
        assert all(item[name] for name in (*needed, "name", "encodingFormat"))
    ids = [*files]
    for records in document["recordSet"]:
        assert records["@type"] == "cr:RecordSet"
        fields = {field["@id"]: field for field in records["field"]}
        ids += [records["@id"], *fields]
        for field in fields.values():
            assert field["@type"] == "cr:Field"
            assert field["dataType"] in ("sc:Text", "sc:Integer", "sc:Float", "sc:Boolean")
            assert "source" in field or "data" in records
            if "source" in field:
                assert field["source"]["fileObject"]["@id"] in files
        for row in records.get("data", []):
            assert set(row) == set(fields)
    assert len(ids) == len(set(ids))
    json.dumps(document, allow_nan=False)


def test_a_run_tells_provenance_standard_validation_and_faults(run, about):
    ledger = ledger_for(run)
    flagged = pd.read_parquet(run / "findings.parquet").query("flagged")
    first = flagged["id"].iloc[0]
    ledger.decide(run_id(run), [Decision(first, "keep", "ann"), Decision(first, "remove", "bob")])
    told = {"plan": "p1", "verdict": "helps", "difference": 1.25, "low": 0.5, "high": 2.0}
    record_verification(run, told, ledger)
    sheet = sheet_of(run, about)
    text = page(sheet)
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == list(SECTIONS)
    for words in (
        "# Data sheet: Insects",
        "Two entomologists",
        "| b\\|ee | ",
        "CC-BY-4.0",
        "2025-03-01",
        f"{len(flagged):,} samples are flagged",
        "mislabelled",
        "| reviewers | 2 |",
        "+1.25 (0.5 to 2)",
        "2 by ann, bob",
        sheet.fingerprint,
    ):
        assert words in text
    document = croissant(sheet)
    check_croissant(document)
    assert document["rai:dataAnnotationProtocol"] == about.labelling
    assert any("flagged" in limit for limit in document["rai:dataLimitations"])
    samples = next(one for one in document["recordSet"] if one["@id"] == "samples")
    types = {field["name"]: field["dataType"] for field in samples["field"]}
    floats = dict.fromkeys("abc", "sc:Float")
    assert types == {**floats, "d": "sc:Integer", "place": "sc:Text", "label": "sc:Text"}
    classes = next(one for one in document["recordSet"] if one["@id"] == "classes")
    assert sum(row["classes/samples"] for row in classes["data"]) == 120


EVIL = "a\n# b `c` <img src=x onerror=1> [d](javascript:1) ![e](f) \\| *g* &lt; \x1b[2J\u202e"


def test_names_from_the_data_stay_text(run):
    sheet = sheet_of(run, About())
    record = sheet.run.model_copy(deep=True)
    record.judgement.notes.append(EVIL)
    record.model.name = EVIL
    faults = {**sheet.faults, "pairs": [(3, EVIL, EVIL)]}
    bad = replace(
        sheet, source=EVIL, location=f"/a`b``{EVIL}", classes={EVIL: 3}, run=record, faults=faults
    )
    text = page(bad)
    [place] = [line for line in text.splitlines() if line.startswith("Read from")]
    assert re.fullmatch(r"Read from ``` /a`b``a .* ```\.", place)
    outside = re.sub(r"\\.", "", text.replace(place, ""))  # without what is escaped
    outside = re.sub("`[0-9a-f]+`", "", outside)
    assert not re.search(r"[`<\[*&!]|\x1b|\u202e", outside.replace("*Not stated.*", ""))
    assert len(re.findall("(?m)^# ", text)) == 1
    rows = [line for line in outside.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} == {3, 4, 5, 6} & {line.count("|") for line in rows}
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == list(SECTIONS)


def test_data_take_the_newest_run_that_the_ledger_knows(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = run.parent / "insects.csv"
    assert sheet_of(data, About()).run is not None
    plain = tmp_path / "plain.csv"
    shutil.copy(data, plain)
    plain.write_text(plain.read_text() + "1,2,3,4,here,ant\n")
    sheet = sheet_of(plain, About(), label="label")
    assert sheet.run is None
    assert sheet.samples == 121
    assert "Not examined" in page(sheet)
    assert page(sheet).count("not stated") >= 5
    check_croissant(croissant(sheet))


def test_images_are_described_as_a_set_of_files(tmp_path):
    for number in range(8):
        place = tmp_path / "images" / "ab"[number % 2] / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), number).save(place)
    document = croissant(sheet_of(tmp_path / "images", About()))
    check_croissant(document)
    [files] = document["distribution"]
    assert files["includes"] == "**/*.png"


def test_both_files_are_written_and_none_is_replaced_unasked(run, tmp_path):
    sheet = sheet_of(run, About())
    places = write_sheet(sheet, tmp_path / "sheet.v1")
    assert [place.name for place in places] == ["sheet.v1.md", "sheet.v1.json"]
    check_croissant(json.loads(places[1].read_text("utf-8")))
    with pytest.raises(InputError, match="--overwrite"):
        write_sheet(sheet, tmp_path / "sheet.v1")
    assert write_sheet(sheet, tmp_path / "sheet.v1", overwrite=True) == places


@pytest.mark.parametrize(
    ("text", "message"),
    [("licence = 'x'", "license"), ("name = ", "TOML"), ("name = 3", "name"), (None, "TOML file")],
)
def test_statements_that_cannot_be_read(tmp_path, text, message):
    file = tmp_path / "about.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(InputError, match=message):
        read_about(file)
