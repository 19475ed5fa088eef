import json
import re

import pandas as pd
import pytest
from test_report_page import Page

from chaffinch.core.errors import RunError
from chaffinch.core.explanation import Explanation
from chaffinch.report.course import trace_loss
from chaffinch.report.kind import WORDS, several, sort_out
from chaffinch.report.page import render
from chaffinch.report.sample import hang
from chaffinch.report.wording import MISSING, Naming
from chaffinch.store.run import EXPLANATIONS


def findings(kinds, flagged):
    return pd.DataFrame({"kind": kinds, "flagged": flagged})


def test_kinds_are_counted_with_their_rates():
    rate = {"of": "kind", "name": "outlier", "rate": 0.2, "low": 0.1, "high": 0.4}
    found = sort_out(
        findings(["outlier", "outlier", "hard", "clean"], [True, False, False, False]),
        {"rates": [rate, {**rate, "of": "all", "name": "all", "high": 0.9}]},
    )
    rows = {row.name: row for row in found.rows}
    assert list(rows) == ["outlier", "hard", "clean"]
    assert (rows["outlier"].samples, rows["outlier"].flagged) == (2, 1)
    interval = rows["outlier"].interval
    assert (interval.rate, interval.bounds) == ("20.0%", "10.0% to 40.0%")
    assert (interval.at, interval.start, interval.width) == (50, 25, 75)
    assert found.top == "40.0%"
    assert rows["hard"].interval is None


def test_a_rate_without_samples_is_shown_where_one_is_expected():
    one = {"of": "kind", "name": "far_cluster", "rate": 0.3, "low": 0.25, "high": 0.5}
    plain = findings(["clean"] * 4, [False] * 4)
    assert [row.name for row in sort_out(plain, {"rates": [one]}).rows] == ["far_cluster", "clean"]
    few = sort_out(plain, {"rates": [{**one, "low": 0.2}]})
    assert [row.name for row in few.rows] == ["clean"]
    hard = sort_out(findings(["hard"] * 4, [False] * 4), {"rates": [{**one, "name": "hard"}]})
    assert [row.interval for row in hard.rows] == [None]  # a matter of degree


def test_wrong_labels_alone_need_no_section():
    assert not sort_out(findings(["mislabelled", "clean"], [True, False]), {}).rows


def test_canaries_are_told_by_kind():
    canaries = {
        "mislabelled": {"count": 20, "found": 0.9, "named": 0.85},
        "outlier": {"count": 0, "found": 0.0, "named": 0.0},
        "total": 20,
    }
    found = sort_out(findings(["outlier"], [True]), {"canaries": canaries})
    (row,) = found.canaries
    assert (row.title, row.planted, row.found, row.named) == ("Wrong label", 20, "90.0%", "85.0%")
    assert found.planted == 20


@pytest.mark.parametrize("modality", ["image", "text", "table"])
def test_the_page_shows_kinds_reasons_and_what_is_kept(make_run, modality):
    run = make_run(modality=modality, kinds=True, classes=4)
    html = render(run)
    page, table = Page(html), run.findings
    for kind, count in table["kind"].value_counts().items():
        assert f"{WORDS[kind][0]} {WORDS[kind][2]}" in page.text
        flagged = int((table["flagged"] & (table["kind"] == kind)).sum())
        assert f"{flagged or MISSING} {count}" in page.text
    assert "5.8% 4.7% to 7.1%" in page.text
    assert "8.0% (3.0% to 13.0%)" in page.text  # of the class finch
    assert re.search(r"Wrong label 27 92\.6% 88\.9%", page.text)
    assert "72 of your samples" in page.text
    for one in run.explanations:
        assert one.why in page.text
    kept = table["kind"].isin(["near_cluster", "hard"]) & ~table["flagged"]
    section = html.split('<section id="protected">')[1].split("</section>")[0]
    shown = [exhibit.id for exhibit in run.gallery if exhibit.id in section]
    assert shown
    assert set(shown) <= set(table["id"][kept])
    assert (
        "further figures" not in page.text.lower() or "rates" not in page.text.split("Further")[1]
    )


def test_cards_draw_the_loss_beside_that_of_the_class(make_run):
    run = make_run(modality="image", kinds=True, shown=3)
    page = Page(render(run))
    drawings = [svg for svg in page.all("svg") if svg.get("aria-label", "").startswith("Loss by")]
    assert len(drawings) == len(run.gallery)
    assert drawings[0]["aria-label"].endswith("median of its class from 2.3 to 0.0077")


def test_curves_share_an_axis_from_nought():
    drawn = trace_loss(Explanation("a", "x", "clean", 0.1, "", loss=(2.0, 0.0), class_loss=(1, 1)))
    top, bottom = drawn.frame.top, drawn.frame.y1
    assert drawn.own == f"M3 {top} L177 {bottom}"
    assert drawn.usual == f"M3 {(top + bottom) / 2:g} L177 {(top + bottom) / 2:g}"
    assert trace_loss(Explanation("a", "x", "clean", 0.1, "", loss=(2.0,), class_loss=(1,))) is None


def test_protected_samples_hang_apart(make_run):
    run = make_run(kinds=True)
    table = run.findings
    gallery = hang(run.gallery, table, Naming(run.record.data.classes), run.explanations)
    kinds = dict(zip(table["id"], table["kind"], strict=True))
    assert gallery.protected
    assert {kinds[one.id] for one in gallery.protected} <= {"near_cluster", "hard"}
    assert not {kinds[one.id] for one in gallery.samples} & {"near_cluster", "hard"}
    assert len(gallery.samples) + len(gallery.protected) == len(run.gallery)


def test_kinds_are_counted_in_words():
    assert several("mislabelled") == "with a wrong label"
    assert several("something new") == "something new"


def test_damaged_explanations_are_named(make_run):
    run = make_run(kinds=True)
    (run.path / EXPLANATIONS).write_text(json.dumps([{"nonsense": 1}]), "utf-8")
    with pytest.raises(RunError, match=r"explanations in .*--overwrite"):
        render(run)
    (run.path / EXPLANATIONS).unlink()
    assert run.explanations == []
