import pandas as pd
import pytest

from chaffinch.core.errors import InputError
from chaffinch.store.decision import (
    ACTIONS,
    Decision,
    check_samples,
    consensus,
    disagreements,
    latest,
    utc,
)


def frame(*rows):
    columns = ["sample", "reviewer", "action", "label", "decided_at", "seq", "position"]
    return pd.DataFrame(rows, columns=columns)


def test_the_last_decision_of_a_reviewer_counts():
    found = latest(
        frame(
            ("s", "ann", "keep", None, "2025-01-03", 1, 0),
            ("s", "ann", "remove", None, "2025-01-02", 2, 0),  # imported later, decided before
            ("s", "bob", "keep", None, "2025-01-01", 2, 1),
            ("s", "bob", "unsure", None, "2025-01-01", 2, 2),  # in one entry: the later row
        )
    )
    assert found["action"].tolist() == ["keep", "unsure"]


def test_reviewers_agree_or_are_shown_with_their_votes():
    decisions = frame(
        ("a", "ann", "keep", None, "", 1, 0),
        ("b", "ann", "relabel", "cat", "", 1, 1),
        ("b", "bob", "relabel", "dog", "", 1, 2),
        ("c", "ann", "relabel", "cat", "", 1, 3),
        ("c", "bob", "relabel", "cat", "", 1, 4),
        ("c", "cyd", "remove", None, "", 1, 5),
        ("d", "ann", "keep", None, "", 1, 6),
        ("d", "bob", "keep", None, "", 1, 7),
    )
    joint = consensus(decisions).set_index("sample")
    assert joint["agreed"].tolist() == [True, False, False, True]
    assert joint["reviewers"].tolist() == [1, 2, 3, 2]
    assert pd.isna(joint.loc["b", "action"])
    assert (joint.loc["c", "action"], joint.loc["c", "label"]) == ("relabel", "cat")
    assert disagreements(decisions)["votes"].tolist() == [
        "ann: relabel to cat; bob: relabel to dog",
        "ann: relabel to cat; bob: relabel to cat; cyd: remove",
    ]
    assert disagreements(decisions.iloc[:0]).empty


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"action": "delete"}, "decision among keep, relabel"),
        ({"action": "relabel"}, "a label for 'relabel'"),
        ({"action": "keep", "label": "cat"}, "a label for 'relabel'"),
        ({"action": "keep", "reviewer": ""}, "nobody"),
        ({"action": "keep", "confidence": 85}, "confidence in 0..1"),
        ({"action": "keep", "decided_at": "yesterday"}, "ISO 8601"),
    ],
)
def test_impossible_decisions(given, message):
    with pytest.raises(InputError, match=message):
        Decision(**{"sample": "s", "reviewer": "ann", **given})


def test_moments_are_in_utc():
    assert utc("2025-03-01T12:00:00+02:00") == "2025-03-01T10:00:00.000000+00:00"
    assert utc("2025-03-01 12:00") == "2025-03-01T12:00:00.000000+00:00"
    assert utc("2025-03-01T12:00:00.5Z") == "2025-03-01T12:00:00.500000+00:00"
    assert utc("") > "2025"


def test_decisions_on_unknown_samples_are_refused():
    made = [Decision("a", action, "ann") for action in ACTIONS if action != "relabel"]
    check_samples(made, ["a"])
    with pytest.raises(InputError, match="1 of 1 on others, such as 'a'"):
        check_samples(made, ["b"])
