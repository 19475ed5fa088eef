"""Repair of labels that people got wrong, in images made up for the test."""

import numpy as np
import pytest

from benchmarks.catalogue import load_catalogue
from benchmarks.cell import Cell
from benchmarks.experiments.repair.contestant import CONTESTANTS, RIVALS, effect_for
from benchmarks.experiments.repair.experiment import expand, repair_images

load_catalogue()

SMALL = {
    "size": 60,
    "validation": 20,
    "width": 4,
    "epochs": 2,
    "batch_size": 16,
    "folds": 2,
    "checkpoints": False,
}


@pytest.fixture
def images(tmp_path, monkeypatch):
    """Four classes by brightness, three in ten labels wrong, under the name of the real set."""
    random = np.random.default_rng(0)
    clean = np.arange(120) % 4
    wrong = random.random(120) < 0.3
    given = np.where(wrong, (clean + 1) % 4, clean).astype(np.uint8)
    bright = (clean * 40)[:, None, None, None]
    place = tmp_path / "data"
    place.mkdir()
    np.savez(
        place / "cifar10n_16k.npz",
        x_train=(bright + random.integers(0, 60, (120, 8, 8, 3))).astype(np.uint8),
        y_clean=clean.astype(np.uint8),
        y_aggre=given,
        y_worse=given,
        x_test=random.integers(0, 255, (40, 8, 8, 3), dtype=np.uint8),
        y_test=(np.arange(40) % 4).astype(np.uint8),
    )
    monkeypatch.setenv("CHAFFINCH_DATA", str(place))


def cell(**settings):
    return Cell(
        suite="x",
        experiment="repair_images",
        data="cifar10n_16k",
        model="small_resnet",
        glitch="worst",
        rate=0.0,
        seed=100,
        settings=SMALL | settings,
    )


def test_rivals_trim_what_their_methods_point_at():
    assert expand(["all", "rivals"]) == [*CONTESTANTS, *RIVALS]
    assert {"loss_mean trim 0.05", "loss_mean trim 0.125"} <= set(RIVALS)


def test_images_are_repaired_by_the_tool_and_by_rivals(images, tmp_path):
    names = ["none", "oracle trim", "loss_mean trim 0.125", "chaffinch trim"]
    found = list(repair_images.function(cell(), names, tmp_path / "kept"))
    accuracy = {m.method: m.value for m in found if m.metric == "accuracy"}
    assert set(accuracy) == set(names)
    assert {m.method for m in found if m.metric == "gain"} == set(names) - {"none"}
    (noise,) = (m.value for m in found if m.metric == "noise")
    assert 0.1 < noise < 0.5
    assert not [m for m in found if m.metric == "failed"]


def test_a_rival_leaves_out_just_its_share(synthetic):
    from benchmarks.situation import Situation

    made = synthetic(80)
    situation = Situation(
        evidence=made.evidence,
        kinds=np.full(80, "clean"),
        truth=made.evidence.labels.codes,
        inputs=None,
        validation=None,
        test=None,
        factory=None,
        model=None,
        checkpoints=(),
        retrain=None,
    )
    effect = effect_for("loss_mean trim 0.125", situation, {}, 0)
    assert (~effect.kept).sum() == 10
