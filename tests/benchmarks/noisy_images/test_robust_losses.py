import dataclasses

import pytest
import torch

from benchmarks.catalogue import load_catalogue, origin_of, summary_of
from benchmarks.cell import Cell
from benchmarks.engine.suite import open_suite
from benchmarks.experiment import EXPERIMENTS
from benchmarks.experiments.noisy_images.robust import PRESETS, ROBUST, Facts, make_loss
from chaffinch.losses import LOSSES

SMALL = {"size": 60, "validation": 20, "width": 4, "epochs": 3, "batch_size": 16, "folds": 0}
NEED_A_MATRIX = {"forward_correction", "backward_correction"}
FACTS = Facts(num_samples=60, num_classes=10, epochs=100, seed=0)


@pytest.fixture(scope="module", autouse=True)
def _catalogue():
    load_catalogue()


@pytest.fixture(autouse=True)
def _images(image_folder):
    pass


def cell(protocol="corrected"):
    return Cell(
        suite="cifar10n",
        experiment="cifar10n",
        protocol=protocol,
        data="cifar10n_16k",
        model="small_resnet",
        glitch="worst",
        settings=SMALL | {"repairs": {"trim": [0.1]}, "retrain": ["none"]},
    )


def run(one, methods, folder):
    found = list(EXPERIMENTS["cifar10n"].function(one, methods, folder))
    assert not [row for row in found if row.metric == "failed"]
    return found


def curves(found):
    by_method = {}
    for row in found:
        if row.metric == "accuracy_by_epoch":
            by_method.setdefault(row.method, []).append(row.value)
    return by_method


@pytest.mark.parametrize("protocol", ["corrected", "paper"])
def test_each_loss_is_a_row_beside_doing_nothing(tmp_path, protocol):
    methods = ["none", "loss blurry", "loss early_learning_regularization"]
    found = run(cell(protocol), methods, tmp_path / "cell")
    drawn = curves(found)
    for name in methods:
        rows = {r.metric: r.value for r in found if r.method == name and r.group == ""}
        assert len(drawn[name]) == SMALL["epochs"]
        best = max(drawn[name])
        assert rows["accuracy_best_epoch"] == best
        assert rows["accuracy"] == (best if protocol == "paper" else drawn[name][-1])
    losses = [row for row in found if row.method != "none"]
    assert {(row.group, row.metric) for row in losses} == {
        ("", "accuracy"),
        ("", "accuracy_best_epoch"),
        ("", "accuracy_by_epoch"),
    }


def test_a_loss_that_is_cross_entropy_trains_the_network_of_none(tmp_path, monkeypatch):
    # Same weights, order and augmentation: nothing but the loss may differ.
    plain = dataclasses.replace(PRESETS["symmetric_cross_entropy"], options={"alpha": 1, "beta": 0})
    monkeypatch.setitem(PRESETS, "symmetric_cross_entropy", plain)
    methods = ["none", "loss symmetric_cross_entropy", "loss generalized_cross_entropy"]
    drawn = curves(run(cell(), methods, tmp_path / "cell"))
    assert drawn["loss symmetric_cross_entropy"] == drawn["none"]
    assert drawn["loss generalized_cross_entropy"] != drawn["none"]


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_makes_a_loss_that_runs_at_any_length(name):
    for epochs in (1, 8, 100):
        loss = make_loss(name, dataclasses.replace(FACTS, epochs=epochs))
        logits = torch.randn(4, 10, generator=torch.Generator().manual_seed(0)).requires_grad_()
        for epoch in range(epochs):
            loss.epoch(epoch)
            loss(logits, torch.arange(4), torch.arange(4)).backward()
        assert torch.isfinite(logits.grad).all()


def test_presets_follow_the_schedule_and_the_classes():
    assert make_loss("blurry", dataclasses.replace(FACTS, epochs=8)).warm_up == 3
    cores = make_loss("cores2", FACTS)
    assert (cores.warm_up, cores.ramp_epochs, cores.sieve) == (10, 30, 30)
    few = make_loss("early_learning_regularization", FACTS)
    many = make_loss("early_learning_regularization", dataclasses.replace(FACTS, num_classes=100))
    assert (few.strength, few.momentum, few.remembered.shape) == (3, 0.7, (60, 10))
    assert (many.strength, many.momentum, many.remembered.shape) == (7, 0.9, (60, 100))


def test_all_losses_without_a_matrix_are_tried_with_a_word_about_each():
    assert set(PRESETS) == set(LOSSES) - NEED_A_MATRIX - {"cross_entropy"}
    assert EXPERIMENTS["cifar10n"].expand(["loss"]) == sorted(ROBUST)
    for row, name in ROBUST.items():
        assert origin_of(row) == "loss"
        assert summary_of(row).endswith(f"({LOSSES[name].paper})")
        assert "\n" not in summary_of(row)
    assert "gamma = 0.3, warm_up = 0.4 x epochs (" in summary_of("loss blurry")


def test_the_suites_try_five_losses_by_default_and_all_at_full_size():
    def tried(block):
        return set(EXPERIMENTS["cifar10n"].expand(block.methods)) & set(ROBUST)

    small = open_suite("cifar10n").cells
    assert [len(tried(block)) for block in small] == [5] * len(small)
    full = [block.at_full_size() for block in small] + open_suite("cifar10n_full").cells
    assert all(tried(block) == set(ROBUST) for block in full)
