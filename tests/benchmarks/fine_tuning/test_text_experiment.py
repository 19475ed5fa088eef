import numpy as np
import pytest

from benchmarks.catalogue import load_catalogue
from benchmarks.cell import Cell
from benchmarks.data import Sizes
from benchmarks.engine.suite import open_suite
from benchmarks.experiment import EXPERIMENTS
from benchmarks.experiments.fine_tuning.build import build_situation
from benchmarks.experiments.fine_tuning.settings import Settings
from benchmarks.experiments.fine_tuning.text_set import load_texts, split_texts
from chaffinch.core.errors import InputError

SMALL = {
    "size": 60,
    "validation": 20,
    "test": 40,
    "length": 16,
    "epochs": 2,
    "batch_size": 16,
    "folds": 2,
    "learning_rate": 3e-3,
    "retrain": ["none", "loss_mean"],
}


def cell(protocol="corrected", data="sst2", glitch="uniform_flips", **settings):
    return Cell(
        suite="text",
        experiment="text",
        protocol=protocol,
        data=data,
        model="minilm",
        glitch=glitch,
        rate=0.2,
        settings=SMALL | settings,
    )


@pytest.fixture(scope="module", autouse=True)
def _catalogue():
    load_catalogue()


def run(one, methods, folder):
    return list(EXPERIMENTS["text"].function(one, methods, folder))


@pytest.mark.parametrize("data", ["sst2", "mrpc"])
def test_splits_share_no_text_and_are_redrawn_by_seed(text_folder, data):
    texts = load_texts(data)
    drawn = [split_texts(texts, seed, Sizes(60, 20, 40)) for seed in (0, 0, 1)]
    parts = np.concatenate([drawn[0].train, drawn[0].validation, drawn[0].test])
    assert len(set(parts.tolist())) == 120
    seen = list(zip(*texts.take(parts), strict=True))
    assert len(set(seen)) == len(seen)
    assert np.array_equal(drawn[0].train, drawn[1].train)
    assert not np.array_equal(drawn[0].train, drawn[2].train)


def test_every_method_is_marked_and_some_train_again(text_folder, tmp_path):
    methods = ["none", "random", "oracle", "loss_mean", "influence_datainf", "chaffinch"]
    found = run(cell(), methods, tmp_path / "cell")
    assert not [one for one in found if one.metric == "failed"]
    figures = {(one.method, one.metric): one.value for one in found if np.isnan(one.x)}
    assert figures["oracle", "auroc"] == 1
    assert {name for name, metric in figures if metric == "auroc"} == set(methods) - {"none"}
    curves = [one for one in found if one.metric == "accuracy_by_epoch"]
    assert [(one.method, one.x) for one in curves] == [
        (name, epoch) for name in ("none", "loss_mean") for epoch in (1, 2)
    ]
    for name in ("none", "loss_mean"):
        values = [one.value for one in curves if one.method == name]
        assert figures[name, "accuracy"] == values[-1]
        assert figures[name, "accuracy_best_epoch"] == max(values)


def test_the_least_suspicious_are_kept(text_folder, tmp_path, monkeypatch):
    repairs = []

    def keep(_retrainer, repair, _seed):
        repairs.append(repair)
        return [0.5]

    monkeypatch.setattr("benchmarks.experiments.retraining.Retrainer.accuracies", keep)
    one = cell(retrain=["none", "oracle"])
    run(one, ["none", "oracle"], tmp_path / "cell")
    situation, _ = build_situation(one, Settings(**one.settings), tmp_path / "cell")
    everything, best = (repair.kept for repair in repairs)
    assert everything.all()
    assert best.sum() == 42
    assert not (best & situation.errors).any()


def test_the_folder_is_used_again_and_gives_the_same(text_folder, tmp_path):
    first = run(cell(), ["loss_mean"], tmp_path / "cell")
    again = run(cell(), ["loss_mean"], tmp_path / "cell")
    kept = [[one for one in rows if one.metric != "seconds"] for rows in (first, again)]
    assert repr(kept[0]) == repr(kept[1])  # NaN is no obstacle in text


def test_a_fifth_is_flipped_and_the_situation_knows_where(text_folder, tmp_path):
    one = cell()
    situation, _ = build_situation(one, Settings(**one.settings), tmp_path / "cell")
    given = situation.evidence.labels.codes
    assert situation.errors.sum() == 12
    assert np.array_equal(given != situation.truth, situation.errors)
    assert situation.evidence.has("features_by_epoch")
    assert situation.evidence.has("validation_embeddings")
    assert len(situation.checkpoints) == 2


@pytest.mark.parametrize(("fold_epochs", "recorded"), [(1, 1), (None, 2)])
def test_fold_models_may_make_fewer_epochs(text_folder, tmp_path, fold_epochs, recorded):
    one = cell(fold_epochs=fold_epochs)
    situation, _ = build_situation(one, Settings(**one.settings), tmp_path / "cell")
    assert situation.evidence.held_out_logits.shape[0] == recorded
    assert situation.evidence.logits.shape[0] == 2


def test_what_cannot_be_is_said(text_folder, tmp_path):
    with pytest.raises(InputError, match=r"a glitch of labels: .*'blur'"):
        run(cell(glitch="blur"), ["random"], tmp_path / "a")
    with pytest.raises(InputError, match="one of banking77, mrpc, sst2, subj; got 'news'"):
        run(cell(data="news"), ["random"], tmp_path / "b")
    with pytest.raises(InputError, match="160,060 texts; got 160"):
        run(cell(size=160_000), ["random"], tmp_path / "c")
    with pytest.raises(InputError, match="Correct the settings of the suite"):
        run(cell(layers=2), ["random"], tmp_path / "d")


def test_the_suite_declares_settings_and_methods_that_exist():
    suite = open_suite("text")
    for block in suite.cells:
        for form in (block, block.at_full_size()):
            settings = Settings(**form.settings)
            known = set(EXPERIMENTS["text"].expand(form.methods))
            assert set(settings.retrain) <= known
