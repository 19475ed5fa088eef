import numpy as np
import pandas as pd
import pytest

from benchmarks.data import Part, Sizes, Splits, draw_splits
from benchmarks.experiments.detection.injection import (
    foreign_samples,
    inject_glitch,
    published_flips,
)
from chaffinch.core.errors import InputError


@pytest.fixture(scope="module")
def digits():
    return draw_splits("digits", 0, Sizes(400, 50, 50))


def of_table(rows=200):
    random = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "number": random.normal(5, 2, rows),
            "whole": random.integers(0, 9, rows),
            "word": random.choice(["a", "b", None], rows),
        }
    )
    part = Part(frame, np.arange(rows) % 4, np.arange(rows))
    return Splits("made up", np.arange(4), part, part, part)


def test_published_flips_leave_some_labels_as_they_were():
    codes = np.arange(2000) % 4
    given, errors = published_flips(codes, 0.5, 0)
    assert errors.sum() == 1000
    assert (given == codes)[~errors].all()
    assert 0.2 < (given == codes)[errors].mean() < 0.3


@pytest.mark.parametrize("protocol", ["paper", "corrected"])
def test_only_the_paper_protocol_counts_flips_that_flip_nothing(digits, protocol):
    made = inject_glitch(digits, "uniform_flips", 0.2, 0, {}, protocol)
    unchanged = (made.labels == digits.train.codes)[made.errors].sum()
    assert made.errors.sum() == 80
    assert (unchanged > 0) == (protocol == "paper")


@pytest.mark.parametrize(
    ("glitch", "kind"),
    [
        ("none", None),
        ("class_dependent_flips", "mislabelled"),
        ("near_cluster", "near_cluster"),
        ("far_cluster", "far_cluster"),
        ("brightness", "outlier"),
        ("near_duplicates", "duplicate"),
    ],
)
def test_every_glitch_is_made_and_leaves_the_data_alone(digits, glitch, kind):
    before = digits.train.samples.copy()
    made = inject_glitch(digits, glitch, 0.05, 0, {"severity": 4})
    assert set(made.kinds) - {"clean"} == ({kind} if kind else set())
    assert np.array_equal(digits.train.samples, before)
    assert made.errors.sum() == (20 if kind else 0)


def test_another_seed_spoils_other_samples(digits):
    one, same, other = (
        inject_glitch(digits, "uniform_flips", 0.1, seed, {}).errors for seed in (0, 0, 1)
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_mixture_has_all_its_kinds(digits):
    rates = {"uniform_flips": 0.05, "brightness": 0.1, "far_cluster": 0.02}
    made = inject_glitch(digits, "mixture", 0.17, 0, {"mixture": rates})
    names, counts = np.unique(made.kinds, return_counts=True)
    assert dict(zip(names.tolist(), counts.tolist(), strict=True)) == {
        "clean": 332,
        "mislabelled": 20,
        "outlier": 40,
        "far_cluster": 8,
    }


def test_far_rows_are_far_and_alike():
    splits = of_table()
    table, far = splits.train.samples, foreign_samples(splits, 0)["foreign"]
    assert far.dtypes.to_dict() == table.dtypes.to_dict()
    assert far["word"].nunique() == 1
    for name in ("number", "whole"):
        distance = (far[name] - table[name].mean()).abs() / table[name].std()
        assert 2.5 < distance.mean() < 3.5
        assert far[name].std() < 0.5 * table[name].std()
    made = inject_glitch(splits, "far_cluster", 0.1, 0, {})
    assert len(np.unique(made.labels[made.errors])) == 1


def test_patterns_stand_in_where_no_other_images_are_at_hand(digits):
    foreign = foreign_samples(digits, 0)["foreign"].astype(float)
    assert foreign.shape == digits.train.samples.shape
    among, between = foreign.std(axis=0).mean(), foreign.mean(axis=0).std()
    assert among < 0.5 * between


def test_unknown_glitches_are_refused(digits):
    with pytest.raises(InputError, match="the name of a corruption"):
        inject_glitch(digits, "gremlins", 0.1, 0, {})
