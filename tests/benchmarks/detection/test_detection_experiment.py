import numpy as np
import pytest

from benchmarks.cell import Cell
from benchmarks.experiment import FAILED
from benchmarks.experiments.detection import collect
from benchmarks.experiments.detection.collect import build_situation
from benchmarks.experiments.detection.curve import SIGNALS, scores_by_epoch
from benchmarks.experiments.detection.experiment import detection, expand, trimmed_accuracy
from benchmarks.method import METHODS, Method, Scored
from benchmarks.methods.paper import most_suspicious
from chaffinch.core.errors import InputError
from chaffinch.core.evidence import Evidence
from chaffinch.scorers import SCORERS

SMALL = {
    "size": 150,
    "validation": 40,
    "test": 60,
    "epochs": 4,
    "folds": 2,
    "width": 64,
    "learning_rate": 0.01,
}


def cell(seed=0, glitch="uniform_flips", **settings):
    return Cell(
        suite="test",
        experiment="detection",
        data="digits",
        model="mlp",
        glitch=glitch,
        rate=0.1,
        seed=seed,
        settings=SMALL | settings,
    )


def measured(methods, folder, **settings):
    return list(detection.function(cell(**settings), methods, folder))


def value(rows, method, metric, **where):
    found = [
        row.value
        for row in rows
        if (row.method, row.metric) == (method, metric)
        and all(getattr(row, name) == wanted for name, wanted in where.items())
    ]
    assert len(found) == 1
    return found[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cell")


@pytest.fixture(scope="module")
def situation(folder):
    return build_situation(cell(), folder)


def test_a_situation_holds_everything_of_one_training(situation):
    evidence = situation.evidence
    assert len(evidence) == 150
    assert situation.errors.sum() == 15
    wrong = evidence.labels.codes != situation.truth
    assert np.array_equal(wrong, situation.errors)
    assert evidence.held_out_logits.shape == evidence.logits.shape == (4, 150, 10)
    assert {*collect.BY_EPOCH, "validation_codes", "embeddings"} <= set(evidence.records)
    assert len(situation.checkpoints) == 4
    assert not situation.model.training
    last = situation.model.state_dict()
    assert all(bool((last[name] == kept).all()) for name, kept in situation.checkpoints[-1].items())


def test_a_second_call_trains_nothing_and_says_the_same(situation, folder, monkeypatch):
    from chaffinch.pipeline import work as pipeline

    real, epochs = pipeline.train, []

    def counted(task, training, on_epoch, state):
        def count(*arguments):
            epochs.append(arguments[0])
            on_epoch(*arguments)

        return real(task, training, count, state)

    monkeypatch.setattr(pipeline, "train", counted)
    again = build_situation(cell(), folder)
    assert epochs == []
    for name, record in situation.evidence.records.items():
        assert np.array_equal(record, again.evidence.records[name]), name


def test_another_folder_gives_the_same_numbers_and_another_seed_others(situation, tmp_path):
    same = build_situation(cell(), tmp_path / "same")
    other = build_situation(cell(seed=1), tmp_path / "other")
    assert np.array_equal(same.evidence.logits, situation.evidence.logits)
    assert not np.array_equal(other.evidence.logits, situation.evidence.logits)


def test_every_method_is_measured_and_the_controls_are_what_they_are(folder):
    names = expand(["scorer", "chaffinch", "control", "paper"])
    assert set(SCORERS) < set(names)
    rows = measured(names, folder)
    assert [row for row in rows if row.metric == FAILED] == []
    assert value(rows, "oracle", "auroc") == value(rows, "oracle", "f1_own") == 1
    assert value(rows, "random", "auroc") == pytest.approx(0.5, abs=0.25)
    assert value(rows, "loss_mean", "auroc") > 0.7
    assert 0 <= value(rows, "chaffinch", "f1_own") <= 1
    turned = value(rows, "MI (paper)", "auroc")
    assert turned == pytest.approx(1 - value(rows, "mean_influence", "auroc"))
    assert value(rows, "none", "accuracy") > 0.2
    for kind in ("clean", "mislabelled"):
        assert 0 <= value(rows, "none", "training_accuracy", group=kind) <= 1
    assert not any(row.metric == "auroc" for row in rows if row.method == "none")


def test_curves_end_where_the_last_epoch_stands(situation, tmp_path):
    rows = measured(["self_influence", "knn_disagreement", "none"], tmp_path, curves=True)
    curve = [row for row in rows if row.metric == "auroc_of_epoch"]
    assert [(row.method, row.x) for row in curve] == [("self_influence", x) for x in (1, 2, 3, 4)]
    learned = [row for row in rows if row.metric == "training_accuracy_of_epoch"]
    assert len(learned) == 8


@pytest.mark.parametrize("name", ["self_influence", "loss_mean", "aum"])
def test_the_epochs_of_a_curve_make_up_the_scorer(situation, name):
    rows = scores_by_epoch(name, situation.evidence)
    whole = rows.sum(axis=0) if name == "self_influence" else rows.mean(axis=0)
    assert np.allclose(whole, SCORERS[name](situation.evidence), rtol=1e-4)


def test_every_signal_has_a_scorer(situation):
    for name in SIGNALS:
        assert name in SCORERS
        assert scores_by_epoch(name, situation.evidence).shape == (4, 150)
    assert scores_by_epoch("knn_disagreement", situation.evidence) is None


def test_trimming_takes_out_the_most_suspicious_share(situation):
    kept = []

    class Recorded:
        retrain = staticmethod(lambda rows, codes, weights, seed: kept.append(rows) or 0.5)

    scores = np.asarray([3.0, 0, 5, 1, 4, 2, 0, 0, 0, 0])
    assert trimmed_accuracy(Recorded, scores, 0.2, 0) == 0.5
    assert kept[0].tolist() == [0, 1, 3, 5, 6, 7, 8, 9]


def test_retraining_on_everything_is_the_first_training(situation):
    everyone = np.arange(150)
    own = collect.accuracy(situation.model, *situation.test)
    assert situation.retrain(everyone, None, None, 0) == own
    assert situation.retrain(everyone, None, np.full(150, 3.0), 0) == own


def test_weights_and_labels_of_a_retraining_count(situation):
    everyone = np.arange(150)
    own = situation.retrain(everyone, None, None, 0)
    ones = situation.retrain(everyone, np.ones(150, dtype=np.int64), None, 0)
    assert ones == (situation.test[1] == 1).mean() != own
    only = (situation.evidence.labels.codes == 1).astype(np.float64)
    assert situation.retrain(everyone, None, only, 0) == ones


def test_accuracy_after_trimming_is_measured_for_each_budget(tmp_path):
    rows = measured(["oracle", "none"], tmp_path, retrain_budgets=[0.0, 0.1])
    whole = value(rows, "none", "accuracy", x=0.1)
    assert value(rows, "oracle", "accuracy", x=0.0) == whole
    assert value(rows, "oracle", "accuracy", x=0.1) >= 0


def test_a_method_that_fails_leaves_the_others_alone(folder, monkeypatch):
    def broken(situation, seed):
        raise RuntimeError("no luck")

    method = Method("broken", "control", "Fails", lambda _: True, broken)
    monkeypatch.setitem(METHODS._items, "broken", method)
    rows = measured(["broken", "random"], folder)
    assert [(row.metric, row.group) for row in rows if row.method == "broken"] == [
        (FAILED, "RuntimeError: no luck")
    ]
    assert value(rows, "random", "auroc") > 0


def test_timed_methods_get_evidence_of_which_nothing_is_derived(folder, monkeypatch):
    seen: list[Evidence] = []

    def look(situation, seed):
        seen.append(situation.evidence)
        return Scored(np.zeros(150))

    method = Method("looking", "control", "Looks", lambda _: True, look)
    monkeypatch.setitem(METHODS._items, "looking", method)
    rows = measured(["looking"], folder, time_methods=True)
    assert value(rows, "looking", "seconds") >= 0
    assert len(seen) == 2
    assert seen[0] is not seen[1]


def test_settings_are_checked():
    with pytest.raises(InputError, match=r"folds.*Correct the settings"):
        build_situation(cell(folds=-1), None)
    with pytest.raises(InputError, match="sise"):
        build_situation(cell(sise=3), None)


def test_methods_with_an_oracle_threshold_flag_just_as_many():
    assert most_suspicious(np.asarray([1.0, 3, 2, 3]), 2).tolist() == [False, True, False, True]
