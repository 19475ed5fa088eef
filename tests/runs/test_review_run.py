"""Judged runs are reviewed: with their data, with data named later, and without."""

import pytest

from chaffinch.core.errors import InputError
from chaffinch.pipeline.ledger import ledger_for
from chaffinch.review import server
from chaffinch.review.card import make_card
from chaffinch.review.session import Session
from chaffinch.store.run import RunFolder


def session(run, data=None):
    folder = RunFolder(run.path)
    return Session(folder, ledger_for(run.path), "Ann", data, checks=0)


@pytest.mark.parametrize("given", ["at once", "later", "never"])
def test_cards_show_what_is_known_of_the_data(judge, judged, csv, given):
    run = judge(ledger=None, data=str(csv) if given == "at once" else None)
    opened = session(run, judged[0] if given == "later" else None)
    card = make_card(opened, 7)
    assert card.sample.row == "7"
    assert card.sample.source == ("birds.csv:7" if given == "at once" else "")
    assert card.shown == (given != "never")
    assert ("height" in card.sample.cells) == card.shown


def test_decisions_of_a_visit_count_in_the_plan(judge, monkeypatch):
    run = judge(ledger=None)
    sample = run.propose().edits[0]

    def decide(opened, port, *, host, browser, say):
        say("http://127.0.0.1")
        assert (opened.reviewer, port, browser) == ("Ann", None, False)
        opened.decide(sample.row, "keep")

    monkeypatch.setattr(server, "serve", decide)
    said = []
    assert run.review(reviewer="Ann", browser=False, check=0, say=said.append) == 1
    assert said == ["http://127.0.0.1"]
    assert sample.id not in {edit.id for edit in run.propose().edits}
    assert "decisions" in set(run.history()["what"])


def test_a_review_without_a_ledger_is_refused(judge):
    with pytest.raises(InputError, match="a ledger for the decisions"):
        judge().review(ledger="none")
