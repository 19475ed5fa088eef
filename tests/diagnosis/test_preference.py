from itertools import pairwise

import pandas as pd
import pytest

import chaffinch as cf

WORDS = [
    "wren",
    "eel",
    "oak",
    "fern",
    "moss",
    "crow",
    "pike",
    "lime",
    "sage",
    "newt",
    "toad",
    "mole",
]
WORDS += ["hare", "lynx", "stag", "swan", "kite"]


def pairs(rows):
    return pd.DataFrame(rows, columns=["prompt", "chosen", "rejected"])


def ordinary(count=40):
    """Pairs of responses, now the longer one preferred, now the shorter one."""
    rows = []
    for n in range(count):
        one, two = WORDS[n % 17], WORDS[(n * 5 + 3) % 17]
        short, long = f"The {one} is the best.", f"I would say that the {two} is by far better."
        rows.append(
            (
                f"Which is better at {n} metres, {one} or {two}?",
                *((short, long) if n % 2 else (long, short)),
            )
        )
    return rows


def test_right_pairs_are_not_accused():
    found = cf.scan(pairs(ordinary()))
    assert not found.table["flagged"].any()
    assert not any("length" in note for note in found.notes)
    assert found.notes[0].startswith("Read 'chosen' as the response and 'rejected' as")


def test_each_fault_of_pairs():
    rows = ordinary()
    rows += [
        ("Name a bird of the sea.", "A gull.", "a gull"),  # the same
        ("Name a tree of the hills.", "A larch.", " "),
        ("Name a fish of the lake.", "", "A perch."),
        ("Is moss a plant?", "Yes, it is one.", "No, it is none."),
        ("is moss a plant", "No, it is none.", "Yes, it is one."),
        rows[3],
    ]
    found = cf.scan(pairs(rows)).table.tail(6)
    assert found["kind"].tolist() == [
        "mislabelled",
        "mislabelled",
        "outlier",
        "conflicting_duplicate",
        "conflicting_duplicate",
        "near_duplicate",
    ]
    assert found["suspicion"].tolist()[0] == 1
    assert found["flagged"].tolist() == [True] * 5 + [False]
    why = found["why"].tolist()
    assert why[0] == "Its response is the same as the one liked less."
    assert why[1] == "Its response stands beside an empty one."
    assert "says otherwise" in why[3]


@pytest.mark.parametrize("which", ["longer", "shorter"])
def test_a_bias_for_length_is_told(which):
    rows = [(p, *sorted((a, b), key=len, reverse=which == "longer")) for p, a, b in ordinary()]
    notes = cf.scan(pairs(rows)).notes
    assert any(f"The {which} response is the preferred one in 100% of 40 pairs" in n for n in notes)


def test_several_pairs_of_one_prompt_do_not_contradict_each_other():
    asked = "Write a line on spring."
    lines = [(asked, f"{a} and {b} wake.", f"{b} sleeps.") for a, b in pairwise(WORDS)]
    assert (cf.scan(pairs([*ordinary(), *lines])).table["kind"].tail(16) == "clean").all()
