"""Which samples come up, and in which order."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.core.errors import InputError
from chaffinch.review.queue import SPOT_CHECKS, Queue, Wish

EVERYTHING = Wish(section="all", state="both")


def make_queue(suspicion, kinds=None, flagged=None, labels=None, told=lambda row: f"row {row}"):
    count = len(suspicion)
    table = pd.DataFrame(
        {
            "suspicion": suspicion,
            "kind": kinds or ["clean"] * count,
            "flagged": flagged or [False] * count,
        }
    )
    return Queue(table, labels or ["a"] * count, 0, told)


def test_the_most_worth_a_look_come_first_and_kinds_have_their_sections():
    queue = make_queue(
        [0.1, 0.9, 0.5, 0.7, 0.95],
        ["clean", "mislabelled", "hard", "outlier", "near_cluster"],
        [False, True, False, True, True],
    )
    # Likely wrong, but not surely: where a look settles most.
    assert queue.section(Wish()) == [3, 1, 4]
    assert queue.section(Wish(section="protected")) == [2]
    assert queue.section(Wish(section="spot")) == [0]
    assert queue.section(EVERYTHING) == [3, 2, 1, 4, 0]


def test_filters_are_joined():
    queue = make_queue([0.1, 0.2, 0.3], ["hard", "clean", "clean"], labels=["a", "a", "b"])
    assert queue.section(Wish(section="all", kind="clean")) == [2, 1]
    assert queue.section(Wish(section="all", kind="clean", label="a")) == [1]
    assert queue.section(Wish(section="all", words=" ROW 2 ")) == [2]
    assert queue.section(Wish(section="all", words="nowhere")) == []


def test_spot_checks_are_few_clean_and_the_same_for_everyone():
    kinds = ["clean", "hard"] * 100
    first, second = (make_queue([0.0] * 200, kinds) for _ in range(2))
    drawn = first.section(Wish(section="spot"))
    assert len(set(drawn)) == SPOT_CHECKS
    assert all(kinds[row] == "clean" for row in drawn)
    assert drawn == second.section(Wish(section="spot"))
    assert drawn != sorted(drawn)


@given(st.data())
def test_next_finds_what_a_walk_round_the_queue_finds(data):
    count = data.draw(st.integers(1, 8))
    queue = make_queue([0.5] * count)
    decided = data.draw(st.sets(st.integers(0, count - 1)))
    state = data.draw(st.sampled_from(["open", "done", "both"]))
    after = data.draw(st.none() | st.integers(0, count - 1))
    wish = Wish(section="all", state=state)
    section = queue.section(wish)
    steps = (
        [section[(section.index(after) + 1 + n) % count] for n in range(count)]
        if (after is not None)
        else section
    )
    wanted = {"open": lambda r: r not in decided, "done": lambda r: r in decided}.get(
        state, lambda r: True
    )
    assert queue.next(wish, section, decided, after) == next(filter(wanted, steps), None)


def test_what_a_form_says_is_read_and_checked():
    wish = Wish.read({"section": "spot", "label": "", "words": "x", "token": "t"})
    assert wish == Wish(section="spot", words="x")
    assert wish.settings == {"section": "spot", "words": "x"}
    for form in ({"section": "secret"}, {"state": "undone"}):
        with pytest.raises(InputError, match="Choose another filter"):
            Wish.read(form)
