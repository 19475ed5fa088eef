"""What a reviewer decides is in the ledger, and nothing is ever taken out of it."""

import os
import threading

import pandas as pd
import pytest

from chaffinch.core.errors import InputError
from chaffinch.review.queue import Wish
from chaffinch.store.ledger import Ledger
from chaffinch.store.run import RunFolder


def told(session):
    return {
        row: (one["action"], one["label"], one["reason"])
        for row, one in session.mine(session.decisions()).items()
    }


def log(place):
    return Ledger(place / ".chaffinch" / "ledger.db").table("decision")


def test_decisions_go_into_the_ledger_with_name_reason_and_time(session, place):
    wrong = next(c for c in session.classes if c != session.given[4])
    session.decide(4, "relabel", wrong, "six\x07 legs ")
    session.decide(5, "keep")
    assert told(session) == {4: ("relabel", wrong, "six\ufffd legs"), 5: ("keep", None, "")}
    written = log(place)
    assert written["sample"].tolist() == [session.ids[4], session.ids[5]]
    assert set(written["reviewer"]) == {"Ann"}
    assert set(written["source"]) == {"review"}
    assert written["decided_at"].is_monotonic_increasing
    assert Ledger(place / ".chaffinch" / "ledger.db").check().fault is None


def test_the_given_label_chosen_anew_is_keep(session):
    assert session.decide(4, "relabel", session.given[4]).action == "keep"


def test_undo_goes_back_step_by_step_and_only_adds(session, place):
    other = next(c for c in session.classes if c != session.given[1])
    session.decide(1, "relabel", other, "first thought")
    session.decide(1, "remove")
    session.decide(2, "unsure")
    assert session.undo() == 2
    assert told(session) == {1: ("remove", None, "")}
    assert session.undo() == 1
    assert told(session) == {1: ("relabel", other, "first thought")}
    assert session.undo() == 1
    assert told(session) == {}
    assert session.undo() is None
    assert log(place)["action"].tolist() == [
        *("relabel", "remove", "unsure", "withdraw", "relabel", "withdraw")
    ]


def test_taking_back_can_be_taken_back(session):
    session.decide(3, "quarantine", reason="odd")
    session.decide(3, "withdraw")
    assert told(session) == {}
    session.undo()
    assert told(session) == {3: ("quarantine", None, "odd")}


def test_reviewers_at_once_lose_nothing_and_see_where_they_disagree(open_session, place):
    ann, bob = open_session("Ann"), open_session("Bob")

    def work(session, rows):
        for row in rows:
            session.decide(row, "keep")

    threads = [
        threading.Thread(target=work, args=args)
        for args in ((ann, range(10)), (bob, range(5, 15)), (ann, range(20, 25)))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(log(place)) == 25
    assert set(told(ann)) == {*range(10), *range(20, 25)}
    assert not len(ann.disagreements())
    bob.decide(7, "remove")
    assert ann.disagreements()["sample"].tolist() == [ann.ids[7]]
    assert [one["action"] for one in ann.others(ann.decisions(), 7)] == ["remove"]


@pytest.mark.parametrize(
    ("row", "action", "label", "reason", "words"),
    [
        (120, "keep", None, "", "among the 120"),
        (-1, "keep", None, "", "among the 120"),
        (0, "readmit", None, "", "one of keep"),
        (0, "", None, "", "one of keep"),
        (0, "relabel", None, "", "one of the classes"),
        (0, "relabel", "whale", "", "one of the classes"),
        (0, "keep", None, "x" * 2001, "at most 2000 letters"),
    ],
)
def test_impossible_decisions_are_refused_and_leave_no_trace(
    session, place, row, action, label, reason, words
):
    with pytest.raises(InputError, match=words):
        session.decide(row, action, label, reason)
    assert not len(log(place))
    assert session.undo() is None


@pytest.mark.parametrize("name", ["", " \n", "x" * 300])
def test_a_reviewer_has_a_name(open_session, name):
    with pytest.raises(InputError, match="--reviewer"):
        open_session(name)


def test_text_is_searched_in_rows_and_explanations(session):
    found = session.queue.section(Wish(section="all", words="kuusamo"))
    assert sorted(found) == list(range(1, 120, 2))


def test_samples_are_shown_from_the_data_else_from_the_run(scanned, place, open_session):
    far = set(open_session().ids) - {one.id for one in RunFolder(place / "run").gallery}
    name = min(far)
    assert set(open_session().exhibition.show(name).content) == {*"abcd", "place"}
    os.rename(scanned / "insects.csv", scanned / "away.csv")
    try:
        kept = open_session()
        assert "could not be opened again" in kept.exhibition.note
        assert kept.exhibition.show(name).content == {}
        shown = RunFolder(place / "run").gallery[0]
        assert kept.exhibition.show(shown.id) == shown
        moved = open_session(data=str(place / "insects.csv"))
        assert moved.exhibition.note == ""
        assert set(moved.exhibition.show(name).content) == {*"abcd", "place"}
        with pytest.raises(InputError):
            open_session(data=str(place / "absent.csv"))
    finally:
        os.rename(scanned / "away.csv", scanned / "insects.csv")


def test_changed_data_are_not_taken_for_those_of_the_run(place, open_session):
    table = pd.read_csv(place / "insects.csv")
    shown = RunFolder(place / "run").gallery[0]
    table.assign(a=1000.0).to_csv(place / "changed.csv", index=False)
    session = open_session(data=str(place / "changed.csv"))
    assert "have changed since the scan" in session.exhibition.note
    assert session.exhibition.show(shown.id) == shown
