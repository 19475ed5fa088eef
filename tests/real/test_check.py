"""Planted faults in real data, with a seed that no threshold was looked at with."""

import pytest

from benchmarks.check import MEASURES, MOST_OTHERS, OWN
from benchmarks.data.place import data_folder as folder

SEED = 900


@pytest.mark.slow
@pytest.mark.skipif(folder() is None, reason="no real data: set CHAFFINCH_DATA to their folder")
@pytest.mark.parametrize("name", MEASURES)
def test_planted_faults_are_found_and_little_else(name):
    missed, others, _ = MEASURES[name](SEED)
    assert not any(missed.values()), missed
    false = others.drop([*OWN[name], "any"], errors="ignore")
    assert false.sum() <= MOST_OTHERS, others
