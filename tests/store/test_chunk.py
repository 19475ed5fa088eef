import hashlib
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.core.randomness import stream
from chaffinch.store.chunk import LONGEST, SHORTEST, chunks


def slow_chunks(content):
    """The rolling hash byte by byte, as the paper has it."""
    gear = [
        int.from_bytes(hashlib.blake2b(bytes([value]), digest_size=4).digest(), "little")
        for value in range(256)
    ]
    start, rolling, found = 0, 0, []
    for place, value in enumerate(content, start=1):
        rolling = ((rolling << 1) + gear[value]) % 2**32
        length = place - start
        if (length >= SHORTEST and rolling < 2**12) or length == LONGEST:
            found.append(content[start:place])
            start = place
    return [*found, content[start:]] if start < len(content) else found


def test_cuts_are_those_of_the_slow_twin():
    content = stream(0, "chunks").bytes(3_000_000)
    found = list(chunks([content]))
    assert found == slow_chunks(content)
    assert len(found) > 2


@given(st.lists(st.integers(0, 700_000), max_size=12), st.integers(0, 5))
def test_chunks_are_the_stream_whatever_its_blocks(lengths, seed):
    content = stream(seed, "blocks").bytes(sum(lengths))
    edges = np.cumsum([0, *lengths])
    blocks = [content[a:b] for a, b in pairwise(edges)]
    found = list(chunks(blocks))
    assert b"".join(found) == content
    assert found == list(chunks([content]))
    assert all(SHORTEST <= len(chunk) <= LONGEST for chunk in found[:-1])


def test_bytes_that_never_ask_for_a_cut_are_cut_at_the_longest():
    assert [len(chunk) for chunk in chunks([bytes(2 * LONGEST + 5)])] == [LONGEST, LONGEST, 5]


def test_a_change_leaves_most_chunks_alike():
    content = stream(1, "change").bytes(12_000_000)
    changed = content[:100] + b"new" + content[100:6_000_000] + content[6_000_009:]
    before, after = set(chunks([content])), list(chunks([changed]))
    assert sum(chunk not in before for chunk in after) <= 3
    assert len(after) > 5
