import numpy as np
import pytest
import torch

from benchmarks.catalogue import load_catalogue
from benchmarks.cell import Cell
from benchmarks.data.prompt_set import prompt_set
from benchmarks.engine.suite import open_suite
from benchmarks.experiment import EXPERIMENTS
from benchmarks.experiments.prompts.evidence import collect, encode
from benchmarks.experiments.prompts.method import METHODS, class_figures
from benchmarks.experiments.prompts.model import find_language_model, fine_tune, load_base
from benchmarks.experiments.prompts.settings import Settings
from chaffinch.core.errors import InputError
from chaffinch.influence.queries import collect_states

pytest.importorskip("peft")


@pytest.fixture(scope="module", autouse=True)
def _catalogue():
    load_catalogue()


def cell(data="arithmetic", **settings):
    chosen = {"train": 3, "test": 1, "kinds": 3, "epochs": 1, "batch_size": 4, "sketch": 32}
    return Cell(
        suite="prompts",
        experiment="prompts",
        data=data,
        model="tiny",
        settings={**chosen, "length": 160, **settings},
    )


def test_every_method_on_a_tiny_model(tmp_path):
    found = list(EXPERIMENTS["prompts"].function(cell(), list(METHODS), tmp_path / "cell"))
    assert {one.metric for one in found} == {"class_auc", "class_recall", "seconds"}
    figures = {(one.method, one.metric): one.value for one in found}
    assert figures["oracle", "class_auc"] == figures["oracle", "class_recall"] == 1
    assert figures["text similarity", "class_recall"] == 1
    assert all(0 <= figures[name, "class_auc"] <= 1 for name in METHODS)
    assert sorted(path.name for path in (tmp_path / "cell").iterdir()) == ["adapters.pt"]
    again = list(EXPERIMENTS["prompts"].function(cell(), ["datainf"], tmp_path / "cell"))
    kept = {one.metric: one.value for one in again}
    assert kept["class_auc"] == figures["datainf", "class_auc"]


def test_only_the_passes_that_methods_need_are_made(tmp_path, monkeypatch):
    place = "benchmarks.experiments.prompts.evidence"
    monkeypatch.setattr(f"{place}.collect_gradients", None)
    names = ["rep_cos", "rep_cos before fine-tuning", "text similarity"]
    one = cell(epochs=8, learning_rate=0.03)
    found = list(EXPERIMENTS["prompts"].function(one, names, tmp_path / "cell"))
    assert [m.method for m in found if m.metric == "class_auc"] == names
    monkeypatch.setattr(f"{place}.collect_states", None)
    alone = list(EXPERIMENTS["prompts"].function(one, names[2:], tmp_path / "cell"))
    assert alone[1].value == found[-2].value
    assert sorted(path.name for path in (tmp_path / "cell").iterdir()) == ["adapters.pt"]


def test_states_before_fine_tuning_are_those_of_the_model_without_adapters(tmp_path):
    settings = Settings(train=2, test=1, kinds=2, epochs=8, learning_rate=0.03, length=160)
    drawn = prompt_set("arithmetic", 0, 2, 1, 2)
    base = load_base("tiny", settings.length, tmp_path)
    data = encode(base, drawn.train, settings)
    plain = collect_states(base.model, data, tmp_path / "plain")
    kept = plain.rows("model.layers.0").clone()
    model = fine_tune(base, data, settings, 0, tmp_path / "adapters.pt")
    found = collect(model, drawn, settings, (0, tmp_path), {"states", "before"})
    rows = {
        name: next(iter(table.blocks(table.layout.names[0])))[1]
        for name, (table, _) in found.items()
    }
    torch.testing.assert_close(rows["before"], kept)
    assert float((rows["states"] - kept).abs().max()) > 1e-3


def test_training_changes_the_adapters(tmp_path):
    measured = []
    for epochs in (0, 4):
        one = cell(epochs=epochs, learning_rate=0.01)
        found = EXPERIMENTS["prompts"].function(one, ["grad_dot"], tmp_path / str(epochs))
        measured.append([m.value for m in found if m.metric == "class_auc"])
    assert (tmp_path / "0" / "adapters.pt").read_bytes() != (
        tmp_path / "4" / "adapters.pt"
    ).read_bytes()
    assert len(measured) == 2


def test_figures_by_hand():
    train, test = np.array(["a", "a", "b", "b", "b"]), np.array(["a", "b"])
    values = np.array([[5.0, 1], [2, 1], [3, 1], [1, 1], [0, 1]])
    auc, recall = class_figures(values[:, :1], train, test[:1])
    assert auc == pytest.approx(5 / 6)
    assert recall == pytest.approx(1 / 2)
    auc, recall = class_figures(values[:, 1:], train, test[1:])
    assert auc == pytest.approx(1 / 2)
    assert recall == pytest.approx(3 / 5)


def test_names_that_are_not_there(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="methods among"):
        EXPERIMENTS["prompts"].expand(["datinf"])
    assert EXPERIMENTS["prompts"].expand([]) == list(METHODS)
    with pytest.raises(InputError, match="smollm2 or tiny"):
        load_base("huge", 16, tmp_path)
    monkeypatch.setenv("CHAFFINCH_LANGUAGE_MODEL", "/a/model")
    assert find_language_model() == "/a/model"
    monkeypatch.delenv("CHAFFINCH_LANGUAGE_MODEL")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="a causal language model"):
        find_language_model()


def test_the_suite_is_whole():
    suite = open_suite("prompts")
    for block in suite.cells:
        Settings.of(block.settings)
        full = Settings.of(block.at_full_size().settings)
        assert (full.train, full.test, full.epochs) == (90, 10, 25)
