import numpy as np

from chaffinch.core.randomness import stream
from chaffinch.corruptions import uniform_flips
from chaffinch.pipeline.collect import fold_of


def test_purposes_and_seeds_have_streams_of_their_own():
    draws = [stream(seed, purpose).random(4) for seed in (0, 1) for purpose in ("a", "b")]
    assert len({tuple(draw) for draw in draws}) == 4
    np.testing.assert_array_equal(draws[0], stream(0, "a").random(4))
    assert not np.array_equal(draws[0], np.random.default_rng(0).random(4))


def test_a_subset_drawn_under_the_seed_of_the_flips_does_not_follow_them():
    labels, errors = uniform_flips(np.arange(40_000) % 4, 0.1, seed=0)
    chosen = stream(0, "noise model").choice(40_000, 20_000, replace=False)
    assert abs(errors[chosen].mean() - 0.1) < 0.01
    folds = fold_of(labels, 5, seed=0).numpy()
    assert max(abs(errors[folds == k].mean() - 0.1) for k in range(5)) < 0.015
