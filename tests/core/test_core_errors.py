import io

import pandas as pd
import pytest

from chaffinch.core import progress
from chaffinch.core.errors import (
    ChaffinchError,
    CheckFailedError,
    InputError,
    MissingExtraError,
    RunError,
)
from chaffinch.core.findings import COLUMNS, Findings
from chaffinch.core.registry import Registry
from chaffinch.core.scorer import SCORERS, scorer


def test_an_error_says_expected_got_and_remedy():
    error = InputError("a duck", "a goose", "Bring a duck")
    assert str(error) == "Expected a duck; got a goose. Bring a duck."
    assert (error.expected, error.got, error.remedy) == ("a duck", "a goose", "Bring a duck")


@pytest.mark.parametrize(
    ("kind", "builtin", "status"),
    [
        (InputError, ValueError, 2),
        (RunError, RuntimeError, 2),
        (CheckFailedError, Exception, 1),
    ],
)
def test_errors_are_built_in_ones_too_and_know_the_exit_status(kind, builtin, status):
    error = kind("a", "b", "c")
    assert isinstance(error, ChaffinchError)
    assert isinstance(error, builtin)
    assert error.exit_status == status


def test_a_missing_extra_gives_the_line_that_installs_it():
    error = MissingExtraError("the review", "review", "fastapi")
    assert isinstance(error, ImportError)
    assert "[review], which the review needs; got no installed module named 'fastapi'" in str(error)
    assert "pip install 'chaffinch[review]'" in str(error)


@pytest.fixture
def birds():
    registry = Registry("bird")
    registry.add("wren", 1)
    registry.add("finch", 2)
    return registry


def test_a_registry_is_sorted_by_name(birds):
    assert list(birds) == ["finch", "wren"]
    assert birds.items() == [("finch", 2), ("wren", 1)]
    assert len(birds) == 2
    assert birds["wren"] == 1
    assert "wren" in birds
    assert "crow" not in birds


def test_an_unknown_name_is_met_with_the_likeliest_and_all_others(birds):
    with pytest.raises(InputError) as caught:
        birds["fnich"]
    assert str(caught.value) == (
        "Expected the name of a bird; got 'fnich'. Did you mean 'finch'? Known: finch, wren."
    )
    with pytest.raises(InputError, match=r"got 'pelican'. Known: finch, wren\."):
        birds["pelican"]
    with pytest.raises(InputError, match=r"got 'x'. Known: none\."):
        Registry("bird")["x"]


def test_a_name_is_taken_once(birds):
    with pytest.raises(InputError, match="a new bird name; got 'wren' again"):
        birds.add("wren", 3)
    assert birds["wren"] == 1


def test_a_scorer_is_registered_with_the_first_line_of_its_docstring(monkeypatch):
    monkeypatch.setattr(SCORERS, "_items", dict(SCORERS.items()))

    @scorer("mine", family="own", needs=("logits",), paper="none")
    def mine(evidence, seed):
        """Say nothing.

        At length.
        """

    assert SCORERS["mine"] is mine
    assert mine.summary == "Say nothing"
    assert mine.needs == ("logits",)


def test_progress_is_silent_where_nobody_looks(monkeypatch, capsys):
    monkeypatch.setattr(progress.sys, "stderr", io.StringIO())
    with progress.track("scoring", 3) as advance:
        advance()
        advance(2)
        assert progress.sys.stderr.getvalue() == ""
    assert progress.sys.stderr.getvalue() == ""
    assert capsys.readouterr().out == ""


def test_progress_is_shown_on_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(progress.sys, "stderr", Terminal())
    with progress.track("scoring", 3) as advance:
        advance()
        advance(2)
    shown = progress.sys.stderr.getvalue()
    assert "scoring" in shown
    assert "3/3" in shown


def findings(suspicion, flagged):
    table = pd.DataFrame({"id": list("abcd"), "suspicion": suspicion, "flagged": flagged, "aum": 0})
    return Findings(table, classes=None, estimated_errors=1.6)


def test_findings_are_ranked_with_ties_in_the_order_of_the_data():
    found = findings([0.2, 0.9, 0.2, 1.0], [False, True, False, True])
    assert found.ranked["id"].tolist() == ["d", "b", "a", "c"]
    assert found.flagged["id"].tolist() == ["d", "b"]
    assert found.scorers == ["aum"]
    assert len(found) == 4
    assert repr(found) == "Findings(4 samples, 2 flagged, about 2 wrong labels estimated)"
    assert COLUMNS[:5] == ("id", "row", "source", "given_label", "suspicion")
