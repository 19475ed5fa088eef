"""The main job on real data, with seeds that the benchmark's table does not use."""

import pytest

from benchmarks.data import data_folder
from benchmarks.detection import RATES, TARGETS, measure

SEED = 900


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits", "letter", "covertype", "sst2"])
def test_flips_are_found_at_the_own_threshold(name):
    if name != "digits" and data_folder() is None:
        pytest.skip("no real data: set CHAFFINCH_DATA to their folder")
    auroc, f1 = TARGETS[name]
    rate = RATES.get(name, 0.1)
    found = measure(name, rate, SEED, {})
    assert found["AUROC"] >= auroc
    assert found["F1"] >= f1
    assert found["estimated rate"] == pytest.approx(rate, abs=0.03)


@pytest.mark.slow
def test_next_to_nothing_is_flagged_in_clean_digits():
    assert measure("digits", 0.0, SEED, {})["flagged"] <= 0.015
