"""What the page holds of all samples: packed columns, the album, the map."""

import base64
import io
import json
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import chaffinch as cf
from chaffinch.core.errors import RunError
from chaffinch.core.sample_groups import SampleGroups
from chaffinch.report import explore
from chaffinch.report.checks import read_checks
from chaffinch.report.effect import effects
from chaffinch.report.explore import Sources, as_json, lay_out
from chaffinch.report.page import render
from chaffinch.report.projection import MAP, Projection, project, projection_of
from chaffinch.report.wording import Naming
from chaffinch.store.album import ALBUM, Album, Sprite, read_album
from chaffinch.store.run import RunFolder


def laid_out(run, **more):
    record, findings = run.latest
    sources = Sources(findings, Naming(record.data.classes), more.pop("album", Album()), **more)
    return lay_out(sources)


def numbers(text, kind="<u2"):
    return np.frombuffer(base64.b64decode(text), kind)


def embedded(html):
    (block,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)
    return json.loads(block)


def test_columns_say_of_every_sample_what_the_findings_say(make_run):
    run = make_run(kinds=True, samples=300)
    told, table = laid_out(run), run.findings
    row_of = {one: row for row, one in enumerate(table["id"])}
    rows = [row_of[one] for one in told["ids"]]
    assert sorted(rows) == list(range(300))
    ordered = table.iloc[rows]
    flagged = numbers(told["flags"], "u1") & 1 > 0
    assert (flagged == ordered["flagged"].to_numpy()).all()
    assert (np.diff(flagged.astype(int)) <= 0).all()  # the flagged ones stand first
    assert told["listed"] == flagged.sum()
    shown = numbers(told["suspicion"]) / 65_535
    assert np.allclose(shown, ordered["suspicion"], atol=1e-4)
    named = [told["classes"][code] for code in numbers(told["given"])]
    assert named == ordered["given_label"].tolist()
    suggested = [
        told["classes"][code] if code != 65_535 else None for code in numbers(told["suggested"])
    ]
    known = ordered["suggested_label"].astype(object)
    assert suggested == known.where(known.notna(), None).tolist()
    kind = [told["kinds"][code]["name"] for code in numbers(told["kind"], "u1")]
    assert kind == ordered["kind"].tolist()
    assert told["why"] == ordered["why"][: told["listed"]].tolist()


def test_too_many_samples_are_thinned_but_for_the_flagged(make_run, monkeypatch):
    monkeypatch.setattr(explore, "MOST_POINTS", 120)
    run = make_run(samples=900)
    told, table = laid_out(run), run.findings
    assert told["count"] <= 120
    assert told["total"] == 900
    assert set(table["id"][table["flagged"]]) <= set(told["ids"])
    assert len(set(told["ids"])) == told["count"]


def test_what_answers_changed_can_be_listed(make_run):
    run = make_run(samples=200)
    before = run.findings.copy()
    flagged = before.index[before["flagged"]]
    before.loc[flagged[0], "flagged"] = False
    quiet = before.index[~before["flagged"]][3]
    before.loc[quiet, "flagged"] = True
    told = laid_out(run, before=before)
    flags = dict(zip(told["ids"], numbers(told["flags"], "u1"), strict=True))
    assert flags[before["id"][flagged[0]]] & 4
    assert flags[before["id"][quiet]] & 8
    assert sum(bool(flag & 12) for flag in flags.values()) == 2
    assert told["listed"] == before["flagged"].sum() + 1


def test_groups_are_named_and_long_ids_give_way_to_rows(make_run, monkeypatch):
    run = make_run(samples=50)
    groups = SampleGroups(np.arange(50) % 3, ("<b>", "b", "c"), "annotator")
    told = laid_out(run, groups=groups)
    code = dict(zip(told["ids"], numbers(told["group"]), strict=True))
    assert [code[one] for one in run.findings["id"]] == (np.arange(50) % 3).tolist()
    assert told["group_name"] == "annotator"
    monkeypatch.setattr(explore, "_ID_BYTES", 10)
    table = run.findings.assign(row=range(50))
    told = lay_out(Sources(table, Naming(run.record.data.classes), Album()))
    ids = table["id"].tolist()
    assert all(one in ids for one in told["ids"][: told["listed"]])
    assert all(re.fullmatch(r"row \d+", one) for one in told["ids"][told["listed"] :])


def test_long_texts_are_cut_to_a_bound_of_bytes():
    texts = explore._shortened(["\u65e5" * 900, "a" * 5, "\u65e5" * 50], 1200)
    assert sum(len(one.encode()) for one in texts) <= 1200
    assert texts[1] == "aaaaa"


def test_json_in_the_page_cannot_end_its_block(hostile):
    value = {"a": [hostile, "</script><script>alert(1)</script>", "<!--", "\u2028"]}
    text = as_json(value)
    assert not set("<>&'\u2028") & set(text)
    assert json.loads(text) == value


@pytest.mark.parametrize("modality", ["image", "table"])
def test_hostile_text_in_album_map_and_groups_stays_text(make_run, hostile, modality):
    run = make_run(modality=modality, kinds=True, hostile=True, classes=3)
    first = run.findings.sort_values("suspicion")["id"].iloc[-1]
    (run.path / ALBUM).write_text(Album(texts={first: hostile}).model_dump_json(), "utf-8")
    table = run.findings[["id"]].assign(x=0.5, y=0.5, method="PCA")
    table.to_parquet(run.path / MAP)
    html = render(run)
    assert "<script>alert" not in html
    assert "<img src=http" not in html
    assert "<script>alert('x')" in embedded(html)["text"][0]
    assert embedded(html)["method"] == "PCA"


def test_a_sprite_from_elsewhere_is_refused(make_run):
    run = make_run(modality="image")
    sprite = {"side": 8, "across": 1, "ids": ["a"], "image": "https://evil.test/x.png"}
    (run.path / ALBUM).write_text(json.dumps({"sprite": sprite}), "utf-8")
    with pytest.raises(RunError, match="an album in"):
        read_album(run)
    good = Sprite(side=8, across=1, ids=["a"], image="data:image/webp;base64,AAAA")
    (run.path / ALBUM).write_text(Album(sprite=good).model_dump_json(), "utf-8")
    assert 'src="data:image/webp;base64,AAAA"' in render(run)


def test_three_clusters_stay_apart_on_the_map():
    rng = np.random.default_rng(0)
    code = np.arange(300) % 3
    vectors = (rng.normal(size=(300, 12)) + 12 * np.eye(3, 12)[code]).astype(np.float32)
    points, method = project(vectors)
    assert method == "t-SNE"
    assert points.shape == (300, 2)
    assert 0 <= points.min() <= points.max() <= 1
    middles = np.stack([points[code == one].mean(axis=0) for one in range(3)])
    nearest = ((points[:, None] - middles) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == code).mean() > 0.98
    again, _ = project(vectors)
    assert (again == points).all()


def test_points_beyond_the_landmarks_lie_by_their_like(monkeypatch):
    monkeypatch.setattr("chaffinch.report.projection._LANDMARKS", 90)
    rng = np.random.default_rng(1)
    code = np.arange(600) % 2
    vectors = (rng.normal(size=(600, 5)) + 15 * code[:, None]).astype(np.float32)
    points, _ = project(vectors)
    middles = np.stack([points[code == one].mean(axis=0) for one in range(2)])
    nearest = ((points[:, None] - middles) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == code).mean() > 0.99


@pytest.mark.parametrize("shape", [(1, 3), (5, 1), (40, 8), (70, 2)])
def test_few_samples_or_columns_are_laid_out_by_principal_components(shape):
    points, method = project(np.random.default_rng(2).normal(size=shape).astype(np.float32))
    assert method == "PCA"
    assert points.shape == (shape[0], 2)
    assert np.isfinite(points).all()


def test_samples_that_are_all_the_same_lie_in_the_middle():
    points, _ = project(np.ones((80, 4), np.float32))
    assert (points == 0.5).all()


def test_a_run_without_evidence_has_no_map_and_a_damaged_one_is_made_anew(make_run):
    run = make_run()
    assert projection_of(run) is None
    (run.path / MAP).write_bytes(b"no parquet")
    assert projection_of(run) is None
    page = render(run)
    assert 'id="list"' in page
    assert 'id="map"' not in page


def test_samples_off_the_map_are_marked(make_run):
    run = make_run(samples=40)
    ids = run.findings["id"].to_numpy().astype(str)
    told = laid_out(run, projection=Projection(ids[:30], np.full((30, 2), 0.25), "PCA"))
    placed = numbers(told["flags"], "u1") & 16 > 0
    assert set(np.asarray(told["ids"])[placed]) == set(ids[:30])
    assert (numbers(told["x"])[placed] == round(0.25 * 65_535)).all()


def test_effects_of_repairs_are_sums_of_probabilities():
    table = pd.DataFrame(
        {
            "suspicion": [0.9, 0.8, 0.6, 0.1],
            "flagged": [True, True, True, False],
            "kind": ["mislabelled", "mislabelled", "outlier", "clean"],
            "suggested_label": ["a", "b", None, None],
            "suggestion_confidence": [0.8, 0.8, np.nan, np.nan],
        }
    )
    relabel, remove = effects(table)
    assert (relabel.samples, relabel.mended, relabel.left) == (2, "about 2", "about 1")
    assert relabel.spoilt == "fewer than one right labels made wrong"
    assert (remove.samples, remove.mended, remove.spoilt) == (
        3,
        "about 2",
        "about 1 good samples lost",
    )
    assert effects(table.assign(flagged=False)) == ()
    assert len(effects(table, labelled=False)) == 1


def test_the_report_shows_what_a_check_beside_it_found(make_run, hostile):
    run = make_run()
    assert read_checks(run.path) is None
    issue = {
        **{"issue": "exact_copy", "severity": "high", "count": 3, "unit": "samples"},
        **{"description": hostile, "names": [], "examples": ["a.png"], "remedy": "Keep one"},
    }
    told = {"samples": 900, "checked": ["exact_copy"], "issues": [issue], "notes": []}
    (run.path / "check").mkdir()
    (run.path / "check" / "issues.json").write_text(json.dumps(told), "utf-8")
    html = render(run)
    assert "What the check of the data found" in html
    assert "exact copy" in html
    assert "3 samples" in html
    assert "<script>alert" not in html
    (run.path / "check" / "issues.json").write_text("[]", "utf-8")
    assert read_checks(run.path) is None


@pytest.mark.slow
def test_every_flagged_sample_of_a_scan_is_in_its_album(tmp_path, monkeypatch):
    monkeypatch.setenv("CHAFFINCH_LEDGER", "none")
    rng = np.random.default_rng(3)
    y = np.arange(120) % 3
    x = np.clip(rng.normal(60, 20, (120, 8, 8)) + 70 * y[:, None, None], 0, 255).astype(np.uint8)
    given = np.where(rng.random(120) < 0.15, (y + 1) % 3, y)
    run = cf.scan((x, given), out=tmp_path / "run", epochs=4, folds=2)
    folder = RunFolder(tmp_path / "run")
    sprite = read_album(folder).sprite
    assert set(run.flagged["id"].astype(str)) <= set(sprite.ids)
    encoded = sprite.image.partition(",")[2]
    picture = Image.open(io.BytesIO(base64.b64decode(encoded)))
    assert picture.width == sprite.side * sprite.across
    first = np.asarray(picture.convert("L"))[: sprite.side, : sprite.side].mean()
    row = run.table.index[run.table["id"].astype(str) == sprite.ids[0]][0]
    assert abs(first - x[row].mean()) < 12
    assert (tmp_path / "run" / MAP).is_file()
    assert projection_of(folder).method == "t-SNE"
