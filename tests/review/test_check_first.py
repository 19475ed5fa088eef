"""Samples drawn at random are checked first; after that, decisions re-judge the rest."""

import re

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("httpx2")

from test_review_page import HTMX, open_page, post, shown_row

from chaffinch.pipeline.calibrate import calibrate
from chaffinch.review.queue import Wish
from chaffinch.review.session import LEARN_EVERY
from chaffinch.store.run import RunFolder

CHECK = {"section": "check"}


@pytest.fixture
def session(open_session):
    return open_session(checks=8)


@pytest.fixture
def page(session):
    client = open_page(session)
    client.get("/", params={"key": session.key})
    return client


def right_code(session, row):
    """The class that a person would name: what the scan suggests, as it is mostly right."""
    label = session.naming(session.findings["suggested_label"].iat[row]) or session.given[row]
    return session.classes.index(label)


def check_all(page, session):
    for row in session.checks:
        code = right_code(session, row)
        same = session.classes[code] == session.given[row]
        action = {"action": "keep"} if same else {"action": "relabel", "code": code}
        answer = post(page, session, "/decide", row=row, **action, **CHECK)
    return answer.text


def test_the_page_opens_with_the_check_and_hides_what_the_scan_says(page, session):
    assert page.get("/").headers["location"] == "/?section=check"
    text = page.get("/", params=CHECK, headers=HTMX).text
    assert "Check 8 samples first" in text
    assert "<b>0</b> of 8 checked" in text
    row = shown_row(text)
    assert row == session.checks[0]
    for word in ("Suspicion", "suggested", "Its nearest neighbours", "its loss", "Wrong label"):
        assert word not in text
    assert len(re.findall(r'name="code"', text)) == len(session.classes) - 1
    assert 'data-key="1"' in text or 'data-key="2"' in text


def test_the_check_can_be_skipped(page, session):
    text = page.get("/", params={"section": "flagged"}).text
    assert shown_row(text) == session.queue.section(Wish())[0]


def test_after_the_last_answer_the_page_says_what_changed(page, session, place):
    before = session.findings["suspicion"].copy()
    text = check_all(page, session)
    assert "What 8 answers changed" in text
    assert "Go on with the flagged samples" in text
    assert session.learned["answers"] == 8
    assert not session.findings["suspicion"].equals(before)
    decided = session.decisions()
    assert set(decided["source"]) == {"check"}
    # From now on the page opens with the queue, which says it, too.
    answer = page.get("/")
    assert answer.status_code == 200
    assert "Wrong labels <b>" in answer.text
    run = RunFolder(place / "run")
    assert run.latest[0].judgement.details["calibration"]["answers"] == 8


def test_every_ten_decisions_the_rest_is_judged_anew(page, session):
    check_all(page, session)
    flagged = [row for row in session.queue.section(Wish()) if row not in session.checks]
    for n, row in enumerate(flagged[:LEARN_EVERY], start=1):
        post(page, session, "/decide", row=row, action="relabel", code=right_code(session, row))
        assert session.learned["answers"] == 8 + (n if n == LEARN_EVERY else 0)


def test_the_rest_is_judged_anew_on_demand(page, session):
    row = session.queue.section(Wish())[0]
    assert "Nothing to learn from yet" in post(page, session, "/learn", row=row).text
    post(page, session, "/decide", row=row, action="keep")
    assert session.learned is None  # while samples are unchecked, only on demand
    assert "Judged anew." in post(page, session, "/learn", row=row).text
    assert session.learned["answers"] == 1
    assert page.post("/learn", data={"row": row}).status_code == 403


def test_a_decision_stands_if_nothing_can_be_learned(page, session, monkeypatch):
    def fails(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr("chaffinch.review.session.recalibrate", fails)
    text = check_all(page, session)
    assert "No space left on device" in text
    assert len(session.decisions()) == 8


def test_every_reviewer_is_asked_about_the_same_samples(session, open_session, place):
    bob = open_session("Bob")
    assert bob.checks == ()
    bob = open_session("Bob", checks=30)
    assert bob.checks == session.checks
    session.decide(session.checks[0], "keep", source="check")
    assert bob.unchecked(bob.decisions()) == list(bob.checks)
    other = next(c for c in bob.classes if c != bob.given[bob.checks[0]])
    bob.decide(bob.checks[0], "relabel", other, source="check")
    assert calibrate(place / "run").details["calibration"]["agreement"]["samples"] == 1


def test_the_end_writes_down_what_was_learned(session, place):
    for row in session.checks:
        session.decide(row, "keep", source="check")
    session.finish()
    assert "What 8 answers changed" in (place / "run" / "report.html").read_text()
    assert session._ledger.table("calibration")["answers"].tolist() == [8]


def test_many_classes_are_in_a_menu():
    from chaffinch.review.page import _keys

    assert _keys(("3", "7")) == {0: "3", 1: "7"}
    assert _keys(tuple("abcdefghij"))[9] == "0"
    assert _keys(tuple(map(str, range(11)))) == {}
