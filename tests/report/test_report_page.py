import base64
import hashlib
import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from chaffinch.core.errors import RunError
from chaffinch.report.page import render, write
from chaffinch.report.verdict import judge
from chaffinch.store.run import FINDINGS, GALLERY, RECORD

VOID = {"meta", "img", "br", "input", "link", "hr", "source", "col"}
URLS = {"src", "href", "srcset", "action", "data", "poster", "xlink:href", "formaction"}


class Page(HTMLParser):
    """A strict reading of the page: every tag closed in order, all text and URLs gathered."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.urls, self.handlers, self.words = [], [], [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.urls += [value for name, value in attrs if name in URLS]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"] and self.open[-1:] != ["script"]:
            self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


RECIPES = [
    {"modality": "table", "classes": 2},
    {"modality": "table", "classes": 10},
    {"modality": "table", "classes": 40},
    {"modality": "image", "classes": 10, "demo": True},
    {"modality": "text", "classes": 2},
    {"modality": "array", "classes": 3},
    {"labels": "int", "classes": 4},
    {"labels": "bool", "classes": 2},
    {"rate": 0.0, "extras": False},
    {"modality": "text", "hostile": True, "classes": 3},
    {"modality": "table", "hostile": True, "classes": 3},
    {"shown": 0},
    {"modality": "image", "kinds": True},
    {"modality": "table", "kinds": True, "hostile": True},
    {"modality": "text", "kinds": True, "classes": 3},
]


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_every_page_is_whole_and_calls_nothing_from_outside(make_run, recipe):
    run = make_run(**recipe)
    html = render(run)
    page = Page(html)

    assert page.all("html") == [{"lang": "en"}]
    assert not page.all("link")
    assert not page.handlers
    scripts = page.all("script")
    assert all("src" not in script for script in scripts)
    assert [script.get("type") for script in scripts] == ["application/json", None]
    assert all(url.startswith(("#", "data:image/")) for url in page.urls)
    assert "url(" not in html
    assert "@import" not in html
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    anchors = {attrs["href"][1:] for attrs in page.all("a")}
    assert anchors <= set(ids)


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_every_gallery_item_and_the_counts_appear(make_run, recipe):
    run = make_run(**recipe)
    page, findings = Page(render(run)), run.findings
    flagged, total = int(findings["flagged"].sum()), len(findings)

    for exhibit in run.gallery:
        assert exhibit.id in page.text
        image = exhibit.content.get("image")
        assert image is None or image in page.urls
    assert sum("data-sample" in attrs for _, attrs in page.tags) == len(run.gallery)
    if flagged:
        share = f"{flagged / total:.1%}"
        looks = "harmful" if recipe.get("kinds") else "mislabelled"
        assert f"{flagged} of {total} samples look {looks} ({share})" in page.text
    for name, rows in findings.groupby("given_label"):
        shown = re.sub("[\x1b\u202e]", "\ufffd", str(name))
        assert f" {shown} {len(rows)} {int(rows['flagged'].sum())} " in page.text


def test_pictures_are_described_and_tables_have_headers(make_run):
    page = Page(render(make_run(modality="image", demo=True)))
    assert all(image["alt"] for image in page.all("img"))
    assert all(
        svg.get("aria-hidden") == "true" or (svg["role"] == "img" and svg["aria-label"])
        for svg in page.all("svg")
    )
    assert all("scope" in head for head in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table"))


@pytest.mark.parametrize("modality", ["table", "text", "image"])
def test_hostile_text_is_shown_and_never_run(make_run, hostile, modality):
    html = render(make_run(modality=modality, classes=3, hostile=True))
    page = Page(html)
    assert "<script>alert" not in html
    assert "<img src=http" not in html
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert "<script>alert('x')</script>" in page.text
    assert len(page.all("script")) == 2


def test_an_image_from_elsewhere_is_not_loaded(make_run):
    run = make_run(modality="image", shown=3)
    items = json.loads((run.path / GALLERY).read_text("utf-8"))
    items[0]["content"]["image"] = "https://evil.test/pixel.png"
    items[1]["content"]["image"] = 'data:image/svg+xml;base64,PHN2Zz4="><script>'
    (run.path / GALLERY).write_text(json.dumps(items), "utf-8")
    page = Page(render(run))
    assert len(page.all("img")) == 1
    assert "cannot be drawn" in page.text


def test_the_only_script_is_the_one_the_policy_names(make_run):
    html = render(make_run())
    (script,) = re.findall(r"<script>(.*?)</script>", html, flags=re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html
    assert "default-src 'none'" in html


def test_nothing_flagged_reads_well_and_claims_no_proof(make_run):
    page = Page(render(make_run(rate=0.0, modality="image")))
    assert "Nothing suspicious found in 900 samples" in page.text
    assert "not a proof" in page.text
    assert "The samples that came closest" in page.text
    assert "look mislabelled" not in page.text


def test_one_flagged_sample_is_spoken_of_in_the_singular(make_run):
    run = make_run(rate=0.0)
    findings = run.findings
    findings["flagged"] = findings["suspicion"].rank(ascending=False) == 1
    findings.to_parquet(run.path / FINDINGS)
    assert "1 of 900 samples looks mislabelled (0.1%)" in Page(render(run)).text


def test_other_kinds_of_harm_are_not_called_mislabelled(make_run):
    run = make_run()
    findings = run.findings
    flagged = findings.index[findings["flagged"]]
    findings["kind"] = None
    findings.loc[flagged, "kind"] = "mislabelled"
    findings.loc[flagged[:5], "kind"] = "duplicate"
    findings.to_parquet(run.path / FINDINGS)
    text = Page(render(run)).text
    assert "look harmful" in text
    assert f"By kind: {len(flagged) - 5} with a wrong label, 5 duplicate." in text


def test_a_wrong_label_that_a_twin_gave_away_is_a_wrong_label(make_run):
    run = make_run()
    findings = run.findings
    flagged = findings.index[findings["flagged"]]
    findings.loc[flagged, "kind"] = "mislabelled"
    findings.loc[flagged[:5], "kind"] = "conflicting_duplicate"
    labels_only = judge(run.record, findings)
    assert labels_only.looks == "look mislabelled"
    assert labels_only.expectation.endswith("wrong labels expected in the whole set")
    findings.loc[flagged[:5], "kind"] = "outlier"
    also_others = judge(run.record, findings)
    assert also_others.looks == "look harmful"
    assert also_others.expectation.endswith("harmful samples expected in the whole set")


def with_details(run, **details):
    """The run, with further details of the judgement in its record."""
    record = run.record
    record.judgement.details.update(details)
    (run.path / RECORD).write_text(record.model_dump_json(), "utf-8")
    return run


def test_page_and_terminal_state_the_range_of_the_rate(make_run):
    run = with_details(make_run(), rate_range=[0.013, 0.19])
    text = Page(render(run)).text
    assert "between 1.3% and 19.0% of all labels may be wrong" in text
    assert "8.6% (about 78) taken" in text
    assert judge(run.record, run.findings).expectation == (
        "between 1.3% and 19.0% of labels may be wrong; 8.6% taken"
    )


def test_a_blind_run_does_not_say_that_nothing_is_wrong(make_run):
    run = with_details(make_run(rate=0.0), rate_range=[0.001, 0.083], cannot_tell=True)
    text = Page(render(run)).text
    assert "Cannot tell how many of 900 labels are wrong" in text
    assert "cannot tell how many labels are wrong: up to 8.3% may be" in text
    assert "Nothing suspicious" not in text
    assert "fewer than one" not in text


def test_flags_that_may_be_right_have_a_word_beside_them(make_run):
    run = make_run()
    findings = run.findings
    assert len(judge(run.record, findings).notes) == 1
    flagged = findings.index[findings["flagged"]]
    findings.loc[flagged, "suspicion"] = 0.4
    findings.loc[flagged[0], "q_value"] = 0.9
    (note,) = judge(run.record, findings).notes[1:]
    assert f"about {0.6 * len(flagged):.0f} are expected to be right, at worst 90%" in note


def test_known_truth_is_stated_only_in_the_demo(make_run):
    text = Page(render(make_run("demo", demo=True))).text
    assert "Known truth" in text
    assert re.search(r"injected 70 .*found 64 .*precision 92\.8% .*recall 91\.4%", text)
    assert "Known truth" not in Page(render(make_run("plain"))).text


def test_many_classes_are_ranked_as_pairs_and_few_are_mapped(make_run):
    many = Page(render(make_run("many", classes=40, samples=2000)))
    few = Page(render(make_run("few", classes=10)))
    maps = [[t for t in page.all("table") if "heatmap" in t["class"]] for page in (many, few)]
    assert [len(found) for found in maps] == [0, 2]
    assert "With 40 classes" in many.text


def test_labels_that_became_floats_keep_their_names(make_run):
    run = make_run(labels="int", classes=4)
    assert pd.api.types.is_float_dtype(run.findings["suggested_label"])
    assert "1.0" not in re.findall(r"suggested</span> <bdi>(.*?)</bdi>", render(run))


def test_missing_evidence_leaves_out_its_sections(make_run):
    run = make_run(extras=False)
    record = run.record
    record.model.training_accuracy = []
    (run.path / RECORD).write_text(record.model_dump_json(), "utf-8")
    findings = run.findings
    findings["q_value"] = np.nan
    findings.to_parquet(run.path / FINDINGS)
    page = Page(render(run))
    assert "How the model learned" not in page.text
    assert "How many are worth checking" not in page.text
    assert "Expected in the whole set" not in page.text


def test_odd_scorer_columns_do_not_break_the_page(make_run):
    run = make_run()
    findings = run.findings
    findings["constant"] = 1.0
    findings["patchy"] = findings["loss"].where(findings.index % 2 == 0)
    findings["void"] = np.nan
    findings["words"] = "no number"
    findings.to_parquet(run.path / FINDINGS)
    text = Page(render(run)).text
    assert "constant" in text
    assert "patchy" in text
    assert not re.search(r"\bnan\b", text)


def test_the_same_run_gives_the_same_bytes(make_run, tmp_path):
    run = make_run("run", modality="image", demo=True)
    first = write(run).read_bytes()
    assert write(run).read_bytes() == first
    shutil.rmtree(run.path)
    assert write(make_run("run", modality="image", demo=True)).read_bytes() == first
    assert write(run) == tmp_path / "run" / "report.html"


def test_a_gallery_of_another_run_is_refused(make_run):
    run = make_run()
    items = [{"id": "stranger", "content": {}}]
    (run.path / GALLERY).write_text(json.dumps(items), "utf-8")
    with pytest.raises(RunError, match=r"same run; got 1 samples.*'stranger'.*--overwrite"):
        render(run)


def test_half_a_character_in_a_text_can_be_written(make_run):
    run = make_run(modality="text", shown=1)
    items = json.loads((run.path / GALLERY).read_text("utf-8"))
    items[0]["content"]["text"] = "a \ud83d half"
    (run.path / GALLERY).write_text(json.dumps(items), "utf-8")
    assert "a ? half" in write(run).read_text("utf-8")
