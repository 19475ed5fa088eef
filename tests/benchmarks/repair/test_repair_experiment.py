"""The experiments on repair: what competes, and what is measured of it."""

import numpy as np
import pytest

from benchmarks.catalogue import load_catalogue
from benchmarks.cell import Cell
from benchmarks.experiments.repair.contestant import CONTESTANTS, PLANS
from benchmarks.experiments.repair.experiment import expand, repair
from benchmarks.experiments.repair.marking import gains
from benchmarks.experiments.repair.plane import repair_in_the_plane

load_catalogue()


def values(measurements, metric):
    return {m.method: m.value for m in measurements if m.metric == metric}


def test_all_stands_for_every_contestant():
    assert expand(["all"]) == list(CONTESTANTS)
    assert expand(["none", "oracle trim"]) == ["none", "oracle trim"]
    assert {"none", "oracle trim", "random trim", *PLANS} <= set(CONTESTANTS)


def test_gains_are_those_over_no_repair():
    found = list(gains({"none": 0.8, "oracle trim": 0.9, "mine": 0.85}, True))
    assert values(found, "gain") == pytest.approx({"oracle trim": 10.0, "mine": 5.0})
    assert values(found, "oracle_share") == pytest.approx({"oracle trim": 1.0, "mine": 0.5})
    little = list(gains({"none": 0.8, "oracle trim": 0.805, "mine": 0.85}, True))
    assert not values(little, "oracle_share")


def test_half_moons_are_repaired(tmp_path):
    cell = Cell(
        suite="x",
        experiment="repair_plane",
        data="moons",
        model="mlp16",
        glitch="deep_flips",
        rate=0.08,
        seed=100,
        settings={"steps": 300, "test": 300},
    )
    names = ["none", "oracle trim", "oracle relabel", "random trim", "chaffinch relabel"]
    found = list(repair_in_the_plane.function(cell, names, tmp_path))
    assert set(values(found, "accuracy")) == set(names)
    again = list(repair_in_the_plane.function(cell, names, tmp_path))
    assert repr(found) == repr(again)
    assert values(found, "relabel_precision")["chaffinch relabel"] > 0.5


@pytest.mark.slow
def test_digits_with_flips_get_better_and_clean_ones_stay(tmp_path):
    for glitch, rate in (("uniform_flips", 0.4), ("none", 0.0)):
        cell = Cell(
            suite="x",
            experiment="repair",
            data="digits",
            model="mlp",
            glitch=glitch,
            rate=rate,
            seed=100,
            settings={"epochs": 10},
        )
        names = ["none", "oracle trim", "chaffinch balanced", "chaffinch gentle"]
        found = list(repair.function(cell, names, tmp_path / glitch))
        assert not values(found, "failed")
        gained = values(found, "gain")
        if rate:
            assert gained["chaffinch balanced"] > 0.5 * gained["oracle trim"] > 0
            assert values(found, "relabel_precision")["chaffinch balanced"] > 0.9
        else:
            assert gained["chaffinch balanced"] > -0.5
            assert np.isclose(gained["oracle trim"], 0)
