import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.core.errors import InputError
from chaffinch.core.identity import digest, fingerprint, ids_from_digests, ids_from_keys

ROWS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["x", "y"])), max_size=6)


def test_a_digest_is_always_the_same():
    # Ids are kept in users' files: a change of the hash would orphan all of them.
    assert digest(b"finch") == "552ff7b388ed970f"
    assert re.fullmatch("[0-9a-f]{16}", digest())


def test_the_cuts_between_parts_count():
    digests = {digest(b"a", b"bc"), digest(b"ab", b"c"), digest(b"abc"), digest(b"abc", b"")}
    assert len(digests) == 4


def test_copies_are_numbered():
    ids = ids_from_digests(["x", "y", "x", "x", "y"])
    assert ids.tolist() == ["x", "y", "x-2", "x-3", "y-2"]


@given(st.lists(st.sampled_from("abcd"), max_size=10))
def test_ids_are_unique_and_as_many(digests):
    ids = ids_from_digests(digests).tolist()
    assert len(set(ids)) == len(ids) == len(digests)


def test_keys_become_ids():
    assert ids_from_keys([7, "8", 9.5], "key").tolist() == ["7", "8", "9.5"]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ([1, None, float("nan")], "a key in every row of the id column 'key'; got 2 empty cells"),
        ([1, 2, 1, "2"], "unique keys .*'key'; got 2 that come more than once, such as '1'"),
    ],
)
def test_keys_that_are_none(keys, words):
    with pytest.raises(InputError, match=words):
        ids_from_keys(keys, "key")


@given(ROWS, st.randoms())
def test_the_fingerprint_does_not_depend_on_the_order(rows, random):
    def of(chosen):
        ids = [f"{one}{number}" for number, (one, _) in chosen]
        contents = [one for _, (one, _) in chosen]
        return fingerprint(ids, contents, [label for _, (_, label) in chosen])

    numbered = list(enumerate(rows))
    mixed = random.sample(numbered, len(numbered))
    assert of(numbered) == of(mixed)
    assert re.fullmatch("[0-9a-f]{32}", of(numbered))


def test_the_fingerprint_depends_on_everything_else():
    prints = {
        fingerprint(ids, digests, labels)
        for ids, digests, labels in [
            (["a", "b"], ["x", "y"], [0, 1]),
            (["a", "c"], ["x", "y"], [0, 1]),
            (["a", "b"], ["x", "z"], [0, 1]),
            (["a", "b"], ["x", "y"], [1, 0]),
            (["a"], ["x"], [0]),
            ([], [], []),
        ]
    }
    assert len(prints) == 6


def test_a_fingerprint_needs_records_of_one_length():
    with pytest.raises(ValueError, match="zip"):
        fingerprint(np.asarray(["a", "b"]), ["x"], [0, 1])
