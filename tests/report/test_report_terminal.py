import io
import re

import pytest
from rich.console import Console

from chaffinch.report.page import write
from chaffinch.report.terminal import summary


def printed(run, width=80, **options):
    out = io.StringIO()
    summary(run, Console(file=out, width=width, **options))
    return out.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("modality", ["table", "image", "text"])
def test_no_line_is_too_long_and_no_code_is_left(make_run, modality, width):
    run = make_run(modality=modality)
    text = printed(run, width)
    paths = str(run.path)  # stay whole, so that they can be copied
    assert max(len(line) for line in text.splitlines() if paths not in line) <= width
    assert f"{paths}/findings.parquet" in text
    assert "\x1b" not in text


def test_it_says_what_was_found(make_run):
    run = make_run(classes=3, demo=True)
    text = printed(run)
    flagged = int(run.findings["flagged"].sum())
    assert f"{flagged} of 900 samples look mislabelled ({flagged / 900:.1%})" in text
    assert "About 78 wrong labels expected" in text
    assert re.search(r"Held-out +84\.6%", text)
    assert re.search(r"Known truth +injected 70, found 64", text)
    assert re.search(r"Note +Validation data were not given", text)


def test_the_ten_most_suspicious_are_listed_with_whole_ids(make_run):
    run = make_run(shown=24)
    text = printed(run)
    ids = [exhibit.id for exhibit in run.gallery]
    assert [one for one in ids if one in text] == ids[:10]
    head = next(line for line in text.splitlines() if line.startswith("id "))
    assert head.split() == ["id", "row", "given", "suggested", "conf.", "susp.", "q", "sample"]


def test_the_report_is_named_only_once_it_is_there(make_run):
    run = make_run()
    assert "report.html" not in printed(run, 200)
    path = write(run)
    assert path.as_posix() in printed(run, 200)


def test_nothing_flagged_is_no_proof(make_run):
    text = " ".join(printed(make_run(rate=0.0)).split())
    assert "Nothing suspicious found in 900 samples" in text
    assert "no proof" in text
    assert "none is flagged" in text


@pytest.mark.parametrize("modality", ["table", "text"])
def test_hostile_text_cannot_touch_the_terminal(make_run, modality):
    text = printed(make_run(modality=modality, classes=3, hostile=True), 120)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "<script>" in text


def test_labels_are_no_markup(make_run):
    run = make_run(classes=2, shown=3)
    findings = run.findings
    findings["given_label"] = "[red]x[/red]"
    findings.to_parquet(run.path / "findings.parquet")
    assert "[red]x" in printed(run)


def test_without_a_gallery_the_figures_remain(make_run):
    text = printed(make_run(shown=0))
    assert "look mislabelled" in text
    assert "Most suspicious" not in text


@pytest.mark.parametrize(("rate", "command"), [(0.08, "review"), (0.0, "calibrate")])
def test_the_last_line_says_what_to_do_next(make_run, rate, command):
    run = make_run(rate=rate)
    last = printed(run).splitlines()[-1]
    assert re.match(rf"Next +chaffinch {command} {re.escape(run.path.as_posix())}  \(", last)
