import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.situation import CLEAN
from chaffinch import corruptions
from chaffinch.core.errors import InputError

KIND = {
    "uniform_flips": "mislabelled",
    "near_cluster": "near_cluster",
    "far_cluster": "far_cluster",
    "near_duplicates": "duplicate",
    "brightness": "outlier",
    "stripes": "outlier",
}


def images(count=200):
    # 100..139 everywhere: the far cluster's images are darker, corrupted ones brighter.
    x = np.random.default_rng(0).integers(100, 140, (count, 6, 6)).astype(np.uint8)
    return x, np.arange(count) % 5


OPTIONS = {"far_cluster": {"foreign": np.zeros((100, 6, 6), np.uint8)}, "near_duplicates": {}}


def test_one_word_for_clean():
    assert corruptions.CLEAN == CLEAN


@settings(max_examples=25)
@given(
    rates=st.dictionaries(st.sampled_from(sorted(KIND)), st.floats(0, 0.12), min_size=1),
    seed=st.integers(0, 20),
)
def test_mixtures_are_exact_and_disjoint(rates, seed):
    x, y = images()
    found = corruptions.mixture(x, y, rates, seed, options=OPTIONS)
    wanted = dict.fromkeys(KIND.values(), 0)
    for name, rate in rates.items():
        wanted[KIND[name]] += round(rate * 200)
    assert {kind: int((found.kinds == kind).sum()) for kind in wanted} == wanted
    assert len(found.table) == sum(wanted.values())
    clean = ~found.errors
    assert (found.samples[clean] == x[found.source[clean]]).all()
    assert (found.labels[clean] == y[found.source[clean]]).all()
    flipped = found.kinds == "mislabelled"
    assert (found.samples[flipped] == x[found.source[flipped]]).all()
    assert (found.labels[flipped] != y[found.source[flipped]]).all()
    outlier = found.kinds == "outlier"
    assert (found.labels[outlier] == y[found.source[outlier]]).all()
    assert (found.samples[outlier].max((1, 2)) > 150).all()
    copies = found.kinds == "duplicate"
    assert np.isin(found.source[copies], found.source[clean]).all()
    far = found.kinds == "far_cluster"
    assert (found.samples[far] == 0).all()
    assert (found.source[far] == -1).all()
    assert all(truth is None for truth in found.truth[far])
    known = ~far
    assert (found.truth[known] == y[found.source[known]]).all()
    again = corruptions.mixture(x, y, rates, seed, options=OPTIONS)
    assert (again.samples == found.samples).all()
    assert (again.labels == found.labels).all()


@given(rate=st.floats(0, 0.4))
@settings(max_examples=20)
def test_an_even_mixture_has_the_rate_in_all(rate):
    x, y = images(90)
    parts = ["uniform_flips", "brightness", "near_duplicates"]
    found = corruptions.apply("mixture", x, y, rate, 1, parts=parts)
    counts = [(found.kinds == KIND[name]).sum() for name in parts]
    assert sum(counts) == round(rate * 90)
    assert max(counts) - min(counts) <= 1


def test_none_is_the_data_as_they_are():
    x, y = images(10)
    found = corruptions.apply("none", x, y, 0.5, 0)
    assert found.samples is x
    assert not found.errors.any()
    assert found.table.empty


def test_bad_mixtures_say_what_to_do():
    x, y = images(20)
    with pytest.raises(InputError, match=r"sum to at most 1; got 1\.4"):
        corruptions.mixture(x, y, {"uniform_flips": 0.7, "brightness": 0.7}, 0)
    with pytest.raises(InputError, match="the name of a corruption"):
        corruptions.mixture(x, y, {"flips": 0.1}, 0)
    with pytest.raises(InputError, match="at least one corruption to mix"):
        corruptions.even_mixture(x, y, 0.1, 0, parts=())
