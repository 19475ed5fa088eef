"""Data in the plane and their flips."""

import numpy as np
import pytest

from benchmarks.experiments.synthetic.draw import DEEP_SHARE, Points, depth, draw
from chaffinch.core.errors import InputError

SIZES = (80, 30, 40)


@pytest.mark.parametrize("data", ["blobs", "moons"])
@pytest.mark.parametrize("glitch", ["random_flips", "deep_flips"])
def test_flips_are_exact_in_each_class_and_change_the_label(data, glitch):
    drawn = draw(data, glitch, 6, SIZES, seed=3)
    assert (len(drawn.train), len(drawn.validation), len(drawn.test)) == SIZES
    assert np.array_equal(drawn.given != drawn.train.right, drawn.flipped)
    for code in (0, 1):
        assert drawn.flipped[drawn.train.right == code].sum() == 6


def test_deep_flips_lie_in_the_third_of_their_class_farthest_from_the_other():
    drawn = draw("moons", "deep_flips", 8, SIZES, seed=1)
    far = np.asarray(
        [
            min(
                np.linalg.norm(a - b)
                for b, other in zip(drawn.train.x, drawn.train.right, strict=True)
                if other != code
            )
            for a, code in zip(drawn.train.x, drawn.train.right, strict=True)
        ]
    )
    assert np.allclose(depth(drawn.train), far, rtol=1e-5)
    for code in (0, 1):
        members = drawn.train.right == code
        least = np.sort(far[members])[-round(DEEP_SHARE * members.sum())]
        assert (far[members & drawn.flipped] >= least - 1e-6).all()


def test_depth_of_a_case_worked_by_hand():
    points = Points(np.array([[0.0, 0], [3, 4], [0, 1]]), np.array([0, 0, 1]))
    assert np.allclose(depth(points), [1, np.sqrt(18), 1])


def test_everything_is_redrawn_by_the_seed_and_by_nothing_else():
    one, same, other = (draw("moons", "random_flips", 5, SIZES, seed) for seed in (1, 1, 2))
    assert np.array_equal(one.train.x, same.train.x)
    assert np.array_equal(one.flipped, same.flipped)
    assert not np.array_equal(one.train.x, other.train.x)
    assert not np.array_equal(one.flipped, other.flipped)


def test_the_glitch_does_not_change_the_samples():
    one, other = (draw("moons", glitch, 5, SIZES, 1) for glitch in ("random_flips", "deep_flips"))
    assert np.array_equal(one.train.x, other.train.x)
    assert not np.array_equal(one.flipped, other.flipped)
    assert not draw("moons", "none", 5, SIZES, 1).flipped.any()


def test_training_validation_and_test_samples_are_different_and_of_one_scale():
    drawn = draw("blobs", "random_flips", 5, SIZES, 1)
    rows = [tuple(row) for part in (drawn.train, drawn.validation, drawn.test) for row in part.x]
    assert len(set(rows)) == sum(SIZES)
    assert np.allclose(drawn.train.x.mean(0), 0, atol=1e-5)
    assert np.allclose(drawn.train.x.std(0), 1, atol=1e-5)
    assert not np.allclose(drawn.test.x.mean(0), 0, atol=1e-5)


@pytest.mark.parametrize(
    ("data", "glitch", "flips", "words"),
    [
        ("circles", "none", 1, "blobs or moons"),
        ("moons", "shallow", 1, "random_flips, deep_flips or none"),
        ("moons", "deep_flips", 30, "at most 13 flips a class"),
    ],
)
def test_what_cannot_be_drawn_is_refused(data, glitch, flips, words):
    with pytest.raises(InputError, match=words):
        draw(data, glitch, flips, SIZES, 0)
