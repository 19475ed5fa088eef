import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chaffinch as cf
from chaffinch.checks.cells import Cells
from chaffinch.checks.duplicates import joint, spanning
from chaffinch.checks.neighbour import equal_groups, groups_of, near_pairs, scale_of
from chaffinch.checks.row_copy import is_surprising, near_rows
from chaffinch.checks.sample_copy import near_texts, resemblance


def pairs_by_loop(vectors, limit):
    exact = vectors.astype(np.float64)
    return {
        (one, other)
        for one in range(len(exact))
        for other in range(one + 1, len(exact))
        if np.sqrt(((exact[one] - exact[other]) ** 2).sum()) <= min(limit[one], limit[other])
    }


@pytest.mark.parametrize("size", [3, 60])
def test_near_pairs_are_those_of_two_loops(size):
    random = np.random.default_rng(size)
    vectors = random.normal(size=(150, size)).astype(np.float32)
    vectors[100:120] = vectors[:20] + 0.01
    limit = random.uniform(0.2, 1.0, 150) * np.sqrt(size) / 2
    found = set(map(tuple, near_pairs(vectors, limit, 0).tolist()))
    assert found == pairs_by_loop(vectors, limit)


def test_hashing_finds_nearly_all_that_comparing_all_pairs_finds():
    random = np.random.default_rng(0)
    vectors = random.normal(size=(4000, 30)).astype(np.float32)
    vectors[2000:2200] = vectors[:200] + random.normal(0, 0.02, (200, 30))
    limit = scale_of(vectors, 0).limit(len(vectors))
    exact = near_pairs(vectors, limit, 0)
    hashed = near_pairs(vectors, limit, 0, most_exact=0)
    assert len(exact) == 200
    assert set(map(tuple, hashed.tolist())) <= set(map(tuple, exact.tolist()))
    assert len(hashed) >= 0.98 * len(exact)


@pytest.mark.parametrize("dimension", [2, 5, 12])
def test_chance_makes_next_to_no_near_pairs_in_any_dimension(dimension):
    random = np.random.default_rng(dimension)
    turned = np.linalg.qr(random.normal(size=(40, 40)))[0][:dimension]
    vectors = (random.normal(size=(3000, dimension)) @ turned).astype(np.float32)
    scale = scale_of(vectors, 0)
    assert scale.dimension == pytest.approx(dimension, rel=0.35)
    assert len(near_pairs(vectors, scale.limit(3000), 0)) <= 3


def test_the_reference_distance_is_that_of_a_loop():
    random = np.random.default_rng(0)
    vectors = random.normal(size=(80, 4)).astype(np.float32)
    exact = vectors.astype(np.float64)
    gaps = np.sqrt(((exact[:, None] - exact[None]) ** 2).sum(axis=2))
    np.testing.assert_allclose(scale_of(vectors, 0).reference, np.sort(gaps)[:, 2], rtol=1e-4)


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=30))
def test_groups_are_those_of_a_union(pairs):
    parent = list(range(20))

    def root(one):
        return one if parent[one] == one else root(parent[one])

    for one, other in pairs:
        parent[root(one)] = root(other)
    groups = groups_of(np.asarray(pairs, np.int64).reshape(-1, 2), 20)
    linked = {one for pair in pairs for one in pair}
    assert {one for one in range(20) if groups[one] >= 0} == linked
    for one in linked:
        for other in linked:
            assert (groups[one] == groups[other]) == (root(one) == root(other))


def test_groups_of_equal_keys_and_of_several_kinds():
    groups = equal_groups(np.asarray(["a", "b", "a", "c", "b", "a"]))
    assert groups.tolist() == [0, 1, 0, -1, 1, 0]
    assert spanning(groups, np.asarray([0, 1, 0, 0, 1, 2])).tolist() == [0, -1, 0, -1, -1, 0]
    both = joint(np.asarray([0, 0, -1, -1]), np.asarray([-1, 0, 0, -1]))
    assert both.tolist() == [0, 0, 0, -1]


def test_equal_rows_of_few_values_are_no_surprise():
    random = np.random.default_rng(0)
    assert not is_surprising(random.integers(0, 3, (500, 4)))
    wide = random.integers(0, 50, (500, 8))
    assert not is_surprising(wide)  # no copies at all
    wide[10] = wide[400]
    assert is_surprising(wide)


def table(random, count=400):
    return pd.DataFrame(
        {
            "name": [f"person {number}" for number in random.permutation(count)],
            "town": random.choice(["Ulm", "Bonn", "Trier"], count),
            "height": random.normal(170, 9, count),
            "weight": random.normal(70, 12, count),
        }
    )


def test_rows_that_differ_in_writing_or_a_little_in_numbers_are_near_copies():
    frame = table(np.random.default_rng(0))
    frame.loc[7] = frame.loc[300].to_list()
    frame.loc[7, "height"] += 0.0001
    frame.loc[8] = frame.loc[301].to_list()
    frame.loc[8, "town"] = f" {frame.loc[301, 'town'].upper()}"
    groups = near_rows(Cells.of(frame), None, 0)
    assert np.flatnonzero(groups >= 0).tolist() == [7, 8, 300, 301]
    assert groups[7] == groups[300] != groups[8] == groups[301]


def test_rows_that_are_near_by_chance_are_no_copies():
    frame = table(np.random.default_rng(1), 3000)[["town", "height"]]
    assert (near_rows(Cells.of(frame), None, 0) >= 0).sum() <= 6


def test_the_same_row_under_another_key_is_a_copy():
    frame = table(np.random.default_rng(2)).assign(key=[f"K{n:04d}" for n in range(400)])
    frame.loc[9, ["name", "town", "height", "weight"]] = frame.loc[
        200, ["name", "town", "height", "weight"]
    ]
    assert np.flatnonzero(near_rows(Cells.of(frame), None, 0) >= 0).tolist() == [9, 200]


def test_texts_that_resemble_are_near_copies():
    texts = [
        "the cat sat on the mat and looked out of the window all day",
        "The cat sat on the mat, and looked out of the window all day!",
        "the cat sat on the mat and looked out of the window all days",
        "a dog ran over the field after a ball that nobody had thrown",
        "",
        "",
    ]
    from chaffinch.checks.vectors import vectors_of_texts

    groups = near_texts(texts, vectors_of_texts(texts), 0)
    assert groups.tolist() == [0, 0, 0, -1, -1, -1]
    assert resemblance("abcdef", "abcdef") == 1
    assert resemblance("abcde", "abcdx") == pytest.approx(1 / 3)


def test_copies_between_splits_and_under_other_labels_are_named():
    frame = table(np.random.default_rng(3)).assign(label=np.arange(400) % 2)
    train, test = frame.iloc[:300], frame.iloc[300:].copy()
    test.iloc[5, :4] = train.iloc[17, :4].to_numpy()  # rows 305 and 17 have different labels
    found = cf.check(train, splits={"test": test})
    leaks = found.samples("split_leakage")
    assert list(zip(leaks["split"], leaks["row"], strict=True)) == [("train", 17), ("test", 5)]
    assert list(found.samples("conflicting_duplicates")["row"]) == []
    test.iloc[5, 4] = 0
    found = cf.check(train, splits={"test": test})
    assert list(found.samples("conflicting_duplicates")["row"]) == [17, 5]
    assert found.issues.set_index("issue").loc["split_leakage", "severity"] == "high"
