import numpy as np
import pytest
import torch

from benchmarks.catalogue import load_catalogue
from benchmarks.cell import Cell
from benchmarks.data import Sizes
from benchmarks.engine.suite import open_suite
from benchmarks.experiment import EXPERIMENTS
from benchmarks.experiments.noisy_images.build import build_situation
from benchmarks.experiments.noisy_images.image_set import draw_images
from benchmarks.experiments.noisy_images.repair import LIGHT, make_repair, suggest
from benchmarks.experiments.noisy_images.resnet import ResNet34
from benchmarks.experiments.noisy_images.settings import Settings
from chaffinch.core.errors import InputError

SMALL = {
    "size": 60,
    "validation": 20,
    "width": 4,
    "epochs": 2,
    "batch_size": 16,
    "folds": 2,
    "repairs": {"trim": [0.1], "relabel": [0.1], "reweight": [0.1]},
    "own": ["trim"],
    "retrain": ["none", "oracle", "loss_mean"],
}


def cell(protocol="corrected", data="cifar10n_16k", glitch="worst", model="small_resnet", **other):
    return Cell(
        suite="cifar10n",
        experiment="cifar10n",
        protocol=protocol,
        data=data,
        model=model,
        glitch=glitch,
        settings=SMALL | other,
    )


@pytest.fixture(scope="module", autouse=True)
def _catalogue():
    load_catalogue()


def run(one, methods, folder):
    return list(EXPERIMENTS["cifar10n"].function(one, methods, folder))


def test_images_are_drawn_by_seed_with_labels_in_step(image_folder):
    drawn = [draw_images("cifar10n_16k", "worst", seed, Sizes(60, 20, 0)) for seed in (0, 0, 1)]
    one = drawn[0]
    with np.load(image_folder / "cifar10n_16k.npz") as arrays:
        where = {image.tobytes(): row for row, image in enumerate(arrays["x_train"])}
        rows = [where[image.tobytes()] for image in one.train]
        held = [where[image.tobytes()] for image in one.validation[0]]
        assert np.array_equal(arrays["y_worse"][rows], one.given)
        assert np.array_equal(arrays["y_clean"][rows], one.truth)
        assert np.array_equal(arrays["y_clean"][held], one.validation[1])
    assert len(set(rows + held)) == 80
    assert len(one.test[1]) == 40
    assert np.array_equal(one.train, drawn[1].train)
    assert not np.array_equal(one.train, drawn[2].train)
    everything = draw_images("cifar10n_16k", "aggregate", 0, Sizes(0, 20, 10))
    assert (len(everything.train), len(everything.test[1])) == (100, 10)


def test_what_is_not_there_is_said(image_folder):
    with pytest.raises(InputError, match="a sort of noise of cifar100n: noisy; got 'worst'"):
        draw_images("cifar100n", "worst", 0, Sizes(10, 10, 10))
    with pytest.raises(
        InputError, match="130 training and 40 test images in cifar10n; got 120 and 40"
    ):
        draw_images("cifar10n", "worst", 0, Sizes(110, 20, 0))
    (image_folder / "cifar10n.npz").unlink()
    with pytest.raises(InputError, match=r"real data with the file cifar10n\.npz"):
        draw_images("cifar10n", "worst", 0, Sizes(10, 10, 10))
    with pytest.raises(InputError, match="one of cifar10n_16k, cifar10n, cifar100n"):
        draw_images("cifar11", "worst", 0, Sizes(10, 10, 10))


def test_methods_are_marked_and_repairs_tried(image_folder, tmp_path):
    methods = ["none", "random", "oracle", "loss_mean", "chaffinch"]
    found = run(cell(), methods, tmp_path / "cell")
    assert not [one for one in found if one.metric == "failed"]
    figures = {
        (one.method, one.metric, one.group, -1 if np.isnan(one.x) else one.x): one.value
        for one in found
    }
    assert figures["oracle", "auroc", "", -1] == 1
    assert figures["oracle", "f1_own", "", -1] == 1
    assert figures["none", "noise", "", -1] == figures["oracle", "flagged", "", -1]
    tried = {key[:1] + key[2:] for key in figures if key[1] == "accuracy"}
    repairs = [("trim", 0.1), ("relabel", 0.1), ("reweight", 0.1)]
    assert tried == {(name, *repair) for name in SMALL["retrain"] for repair in repairs} | {
        ("none", "", -1),
        ("none", "trim own", -1),
        ("oracle", "trim own", -1),
    }
    same = {figures["none", "accuracy", name, share] for name, share in repairs}
    assert len(same) == 1  # one training stands for all
    last = max(one.x for one in found if one.metric == "accuracy_by_epoch")
    curve = {one.x: one.value for one in found if one.metric == "accuracy_by_epoch"}
    assert same == {curve[last]}


def test_the_published_protocol_flags_five_percent_and_reports_the_best_epoch(
    image_folder, tmp_path
):
    found = run(cell("paper", epochs=3, folds=0), ["loss_mean", "oracle"], tmp_path / "cell")
    by_name = {(one.method, one.metric, one.group): one.value for one in found}
    assert by_name["loss_mean", "flagged", ""] == 3 / 60
    assert by_name["oracle", "flagged", ""] > 0.1  # has a threshold of its own
    for key, value in by_name.items():
        if key[1] == "accuracy":
            assert value == by_name[key[0], "accuracy_best_epoch", key[2]]


@pytest.mark.parametrize(
    ("data", "glitch"), [("cifar10n", "random2"), ("cifar100n", "noisy")], ids=["ten", "hundred"]
)
def test_the_full_configuration_runs_at_a_tiny_size(image_folder, tmp_path, data, glitch):
    suite = open_suite("cifar10n_full")
    block = next(block for block in suite.cells if data in block.data)
    assert Settings(**block.settings).schedule.decay_epochs == (60,)
    small = {"size": 24, "validation": 20, "test": 10, "width": 2, "epochs": 2, "folds": 2}
    small |= {"decay_epochs": [1], "repairs": {"trim": [0.1]}, "retrain": ["none", "loss_mean"]}
    one = Cell(
        suite=suite.name,
        experiment=block.experiment,
        data=data,
        model=block.model[0],
        glitch=glitch,
        settings=block.settings | small,
    )
    found = run(one, ["none", "loss_mean", "gradient_l2"], tmp_path / "cell")
    assert not [row for row in found if row.metric == "failed"]
    assert {row.method for row in found if row.metric == "accuracy"} == {"none", "loss_mean"}
    assert not (tmp_path / "cell" / "checkpoints").exists()


def test_resnet34_has_34_layers_and_its_published_size():
    net = ResNet34(10)
    weighted = [m for m in net.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    shortcuts = [name for name, _ in net.named_modules() if name.endswith("shortcut.0")]
    assert len(weighted) - len(shortcuts) == 34
    assert sum(p.numel() for p in net.parameters()) == pytest.approx(21.28e6, rel=1e-3)
    assert ResNet34(7, width=2)(torch.rand(2, 3, 16, 16)).shape == (2, 7)


def test_repairs_change_the_chosen_samples_only():
    chosen = np.array([True, False, True, False])
    given, suggested = np.array([0, 1, 2, 0]), np.array([1, 2, 0, 1])
    trim = make_repair("trim", chosen, suggested, given)
    assert trim.kept.tolist() == [False, True, False, True]
    relabel = make_repair("relabel", chosen, suggested, given)
    assert relabel.codes.tolist() == [1, 1, 0, 0]
    assert relabel.kept.all()
    reweight = make_repair("reweight", chosen, suggested, given)
    assert reweight.weights.tolist() == [LIGHT, 1, LIGHT, 1]


def test_suggestions_are_never_the_given_class_and_the_oracle_is_right(image_folder, tmp_path):
    one = cell(folds=0)
    situation, _ = build_situation(one, Settings(**one.settings), tmp_path / "cell")
    given = situation.evidence.labels.codes
    assert (suggest(situation, oracle=False) != given).all()
    assert np.array_equal(suggest(situation, oracle=True), situation.truth)
    right = situation.evidence.logits[-1].copy()
    right[np.arange(len(given)), given] = -np.inf
    assert np.array_equal(suggest(situation, oracle=False), right.argmax(axis=1))


def test_a_gpu_that_is_not_there_is_an_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert Settings(device="auto").place.type == "cpu"
    with pytest.raises(InputError, match="a GPU; got none"):
        _ = Settings(device="cuda").place


@pytest.mark.parametrize("name", ["cifar10n", "cifar10n_full"])
def test_the_suites_declare_settings_and_methods_that_exist(name):
    for block in open_suite(name).cells:
        for form in (block, block.at_full_size()):
            settings = Settings(**form.settings)
            known = set(EXPERIMENTS["cifar10n"].expand(form.methods))
            assert set(settings.retrain) <= known
