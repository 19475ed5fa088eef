"""Only the evidence that the chosen scorers need is collected; it survives an interruption."""

import numpy as np
import pytest
import torch
from torch import nn

import chaffinch as cf
from chaffinch.core.errors import InputError
from chaffinch.models.inputs import DenseInputs
from chaffinch.pipeline import collect
from chaffinch.pipeline.side_training import fake_members
from chaffinch.scorers import SCORERS
from chaffinch.store import EvidenceFolder
from chaffinch.training.dropout import dropout_layers, dropout_pass

QUICK = {"epochs": 3, "folds": 2, "batch_size": 32, "seed": 4}
USUAL = {
    "logits",
    "held_out_logits",
    "features",
    "feature_norms",
    "embeddings",
    "learning_rates",
}
FAKE, ENSEMBLE = {"fake_class_margins", "fake_class_members"}, {"ensemble_logits"}


class Dropping(nn.Sequential):
    def __init__(self, num_classes):
        body = nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.5)
        super().__init__(*body, nn.Linear(16, num_classes))


def needing(record):
    """The name of some scorer that needs a record first of all."""
    return next(
        name
        for name, scorer in SCORERS.items()
        if any(need.split("|")[0] == record for need in scorer.needs)
    )


def evidence_of(run):
    return EvidenceFolder(run / "evidence").load()


def scan(blobs, out, **options):
    X, labels, _ = blobs
    return cf.scan((X, labels), out=out, **QUICK, **options)


def test_by_default_nothing_more_is_collected(blobs, tmp_path):
    scan(blobs, tmp_path / "run")
    assert set(evidence_of(tmp_path / "run").records) == USUAL


def test_what_is_asked_for_is_collected(blobs, tmp_path):
    X, labels, _ = blobs
    names = ["mean_influence", needing("dropout_logits"), needing("ensemble_logits")]
    names.append(needing("fake_class_margins"))
    options = {"scorers": names, "model": Dropping, "ensemble": 2, "dropout_passes": 4}
    findings = scan(blobs, tmp_path / "run", validation=(X[::5], labels[::5]), **options)
    assert findings.scorers == names
    evidence = evidence_of(tmp_path / "run")
    shapes = {name: array.shape for name, array in evidence.records.items()}
    assert shapes["features_by_epoch"] == (3, 240, 16)
    assert shapes["validation_logits_by_epoch"] == (3, 48, 3)
    assert shapes["validation_features_by_epoch"] == (3, 48, 16)
    assert shapes["dropout_logits"] == (4, 240, 3)
    assert shapes["ensemble_logits"] == (2, 240, 3)
    assert shapes["fake_class_margins"] == (2, 240)
    np.testing.assert_array_equal(evidence.features_by_epoch[-1], evidence.features)
    norms = np.linalg.norm(evidence.features_by_epoch, axis=2)
    np.testing.assert_allclose(norms, evidence.feature_norms, rtol=1e-5)
    last = evidence.validation_logits_by_epoch[-1]
    np.testing.assert_allclose(last, evidence.validation_logits, rtol=1e-5, atol=1e-5)
    assert not np.allclose(evidence.ensemble_logits[0], evidence.ensemble_logits[1])
    assert evidence.dropout_logits.std(axis=0).min() > 0


def test_the_usual_records_do_not_depend_on_the_others(blobs, tmp_path):
    scan(blobs, tmp_path / "one")
    scan(blobs, tmp_path / "two", scorers=[needing("ensemble_logits"), "loss_mean"], ensemble=2)
    one, two = evidence_of(tmp_path / "one"), evidence_of(tmp_path / "two")
    assert set(two.records) - set(one.records) == ENSEMBLE
    for name, array in one.records.items():
        np.testing.assert_array_equal(array, two.records[name])


def test_interrupted_side_trainings_go_on_to_the_same_records(blobs, tmp_path, monkeypatch):
    options = {
        "scorers": [needing("ensemble_logits"), needing("fake_class_margins")],
        "ensemble": 2,
    }
    scan(blobs, tmp_path / "whole", **options)
    calls, whole = [], collect.train

    def breaks(*args):
        calls.append(args[1].name)
        if len(calls) == 7:  # full, two folds, two of the ensemble, one fake class
            raise KeyboardInterrupt
        return whole(*args)

    monkeypatch.setattr(collect, "train", breaks)
    with pytest.raises(KeyboardInterrupt):
        scan(blobs, tmp_path / "run", **options)
    assert calls[-1] == "fake-1"
    monkeypatch.setattr(collect, "train", whole)
    scan(blobs, tmp_path / "run", **options)
    one, two = evidence_of(tmp_path / "whole"), evidence_of(tmp_path / "run")
    assert set(one.records) == set(two.records) == USUAL | ENSEMBLE | FAKE
    for name, array in one.records.items():
        np.testing.assert_array_equal(array, two.records[name])


def no_arguments():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))


@pytest.mark.parametrize(
    ("record", "options", "words"),
    [
        ("dropout_logits", {}, "without dropout layers"),
        ("validation_logits", {}, "no validation data"),
        ("fake_class_margins", {"model": no_arguments}, r"number of classes \(num_classes\)"),
        ("fake_class_margins", {"model": no_arguments()}, "fixed number of classes"),
        ("ensemble_logits", {"model": no_arguments(), "train": False}, "scored as it is"),
    ],
    ids=["dropout", "validation", "factory", "instance", "trained"],
)
def test_a_named_scorer_that_cannot_run_is_refused_before_training(
    blobs, tmp_path, monkeypatch, record, options, words
):
    monkeypatch.setattr(collect, "train", None)
    with pytest.raises(InputError, match=f"what the scorer .* needs.*{words}"):
        scan(blobs, tmp_path / "run", scorers=[needing(record)], **options)
    assert not list(tmp_path.iterdir())


def test_in_a_family_it_is_left_out(blobs, tmp_path):
    findings = scan(blobs, tmp_path / "run", scorers="uncertainty", ensemble=2)
    assert findings.scorers
    assert not any("dropout_logits" in SCORERS[name].needs for name in findings.scorers)
    assert "ensemble_logits" in evidence_of(tmp_path / "run").records


@pytest.mark.parametrize(("count", "classes"), [(240, 3), (10, 2), (3, 2)])
def test_the_members_of_the_fake_class(count, classes):
    members = fake_members(np.zeros(count, np.int64), classes, seed=1)
    assert members.shape == (2, count)
    assert members.sum(axis=1).tolist() == [max(1, count // (classes + 1))] * 2
    assert not members.all(axis=0).any()


def test_another_seed_has_another_fake_class():
    codes = np.zeros(240, np.int64)
    assert not np.array_equal(fake_members(codes, 3, seed=1), fake_members(codes, 3, seed=2))


def test_dropout_is_on_in_these_passes_alone():
    net = Dropping(3).train()
    inputs = DenseInputs(torch.ones(5, 4))
    assert [type(layer) for layer in dropout_layers(net)] == [nn.Dropout]
    before = torch.get_rng_state()
    one, again, other = (dropout_pass(net, inputs, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert not torch.equal(one[0], one[1])  # equal rows, other units dropped
    assert all(module.training for module in net.modules())
    assert not dropout_layers(nn.Dropout(0.0))
