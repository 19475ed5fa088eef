"""Only the evidence that the chosen scorers need is collected; it survives an interruption."""

import os

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import chaffinch as cf
from chaffinch.core.errors import InputError
from chaffinch.core.randomness import stream
from chaffinch.models.inputs import DenseInputs
from chaffinch.pipeline import work
from chaffinch.pipeline.auxiliary_training import fake_members
from chaffinch.scorers import SCORERS
from chaffinch.store import EvidenceFolder
from chaffinch.store.run import partial_folder
from chaffinch.training.dropout import dropout_layers, dropout_pass
from chaffinch.training.loop import StateFile

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


def test_interrupted_auxiliary_trainings_go_on_to_the_same_records(blobs, tmp_path, monkeypatch):
    options = {
        "scorers": [needing("ensemble_logits"), needing("fake_class_margins")],
        "ensemble": 2,
    }
    scan(blobs, tmp_path / "whole", **options)
    calls, whole = [], work.train

    def breaks(*args):
        calls.append(args[1].name)
        if len(calls) == 7:  # full, two folds, two of the ensemble, one fake class
            raise KeyboardInterrupt
        return whole(*args)

    monkeypatch.setattr(work, "train", breaks)
    with pytest.raises(KeyboardInterrupt):
        scan(blobs, tmp_path / "run", **options)
    assert calls[-1] == "fake-1"
    monkeypatch.setattr(work, "train", whole)
    scan(blobs, tmp_path / "run", **options)
    one, two = evidence_of(tmp_path / "whole"), evidence_of(tmp_path / "run")
    assert set(one.records) == set(two.records) == USUAL | ENSEMBLE | FAKE
    for name, array in one.records.items():
        np.testing.assert_array_equal(array, two.records[name])


HELD_OUT = {"scorers": ["uq_led"], "model": Dropping, "dropout_passes": 4}


def by_hand(model, x, seed):
    """Outputs in float64 of `Dropping` for n samples with the units dropped that ``seed`` says."""
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        kept = F.dropout(torch.ones(len(x), 16), 0.5).numpy().astype(np.float64)
    parameters = [p.detach().numpy().astype(np.float64) for p in model.parameters()]
    hidden = np.maximum(x.astype(np.float64) @ parameters[0].T + parameters[1], 0)
    return hidden * kept @ parameters[2].T + parameters[3]


def test_held_out_passes_are_those_of_the_fold_models(blobs, tmp_path, monkeypatch):
    trained, whole = [], work.train

    def keeps(task, training, *others):
        model = whole(task, training, *others)
        trained.append((training, model, task.inputs))
        return model

    monkeypatch.setattr(work, "train", keeps)
    findings = scan(blobs, tmp_path / "run", **HELD_OUT)
    assert findings.scorers == ["uq_led"]
    evidence = evidence_of(tmp_path / "run")
    assert set(evidence.records) == USUAL | {"held_out_dropout_logits"}
    found = evidence.held_out_dropout_logits
    assert found.shape == (4, 240, 3)
    np.testing.assert_array_equal(findings.table["uq_led"], SCORERS["uq_led"](evidence))
    seen = np.zeros(240, dtype=int)
    for training, model, inputs in trained[1:]:
        rows = np.setdiff1d(np.arange(240), training.rows.numpy())
        seen[rows] += 1
        for number in range(4):
            seed = int(stream(training.seed, f"dropout pass {number}").integers(2**31))
            x = inputs.batch(torch.from_numpy(rows)).numpy()
            np.testing.assert_allclose(found[number, rows], by_hand(model, x, seed), atol=1e-4)
    assert (seen == 1).all()


@pytest.mark.parametrize("damaged", [False, True])
def test_interrupted_folds_go_on_to_the_same_passes(blobs, tmp_path, monkeypatch, damaged):
    scan(blobs, tmp_path / "whole", **HELD_OUT)
    monkeypatch.setattr(work, "StateFile", lambda path, _seconds: StateFile(path, 0.0))
    begun, whole = [], work.train

    def breaks(task, training, on_epoch, state):
        known = state.load()
        begun.append((training.name, 0 if known is None else known["epoch"]))
        if len(begun) == 3:
            raise KeyboardInterrupt
        return whole(task, training, on_epoch, state)

    monkeypatch.setattr(work, "train", breaks)
    with pytest.raises(KeyboardInterrupt):
        scan(blobs, tmp_path / "run", **HELD_OUT)
    if damaged:
        evidence = partial_folder(tmp_path / "run") / "evidence"
        os.truncate(evidence / "held_out_dropout_logits.npy", 500)
    scan(blobs, tmp_path / "run", **HELD_OUT)
    one, two = evidence_of(tmp_path / "whole"), evidence_of(tmp_path / "run")
    done = 0 if damaged else len(two.held_out_logits)
    assert begun[2:] == [("fold-1", 0), ("full", 3), ("fold-0", done), ("fold-1", 0)]
    for name, array in one.records.items():
        np.testing.assert_array_equal(array, two.records[name])


def no_arguments():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))


@pytest.mark.parametrize(
    ("record", "options", "words"),
    [
        ("dropout_logits", {}, "without dropout layers"),
        ("held_out_dropout_logits", {}, "without dropout layers"),
        ("held_out_dropout_logits", {"model": Dropping, "folds": 0}, r"\(folds\)"),
        ("held_out_dropout_logits", {"model": Dropping(3), "train": False}, r"\(folds\)"),
        ("validation_logits", {}, "no validation data"),
        ("fake_class_margins", {"model": no_arguments}, r"number of classes \(num_classes\)"),
        ("fake_class_margins", {"model": no_arguments()}, "fixed number of classes"),
        ("ensemble_logits", {"model": no_arguments(), "train": False}, "scored as it is"),
    ],
    ids=[
        *("dropout", "held-out dropout", "folds", "held-out trained", "validation"),
        *("factory", "instance", "trained"),
    ],
)
def test_a_named_scorer_that_cannot_run_is_refused_before_training(
    blobs, tmp_path, monkeypatch, record, options, words
):
    monkeypatch.setattr(work, "train", None)
    X, labels, _ = blobs
    with pytest.raises(InputError, match=f"what the scorer .* needs.*{words}"):
        cf.scan((X, labels), out=tmp_path / "run", scorers=[needing(record)], **QUICK | options)
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


def layer_of(kind):
    attention = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.5, batch_first=True)
    return {
        "feature alpha": nn.FeatureAlphaDropout(0.5),
        "attention": attention,
        "stack": nn.TransformerEncoder(attention, 2, enable_nested_tensor=False),
    }[kind]


@pytest.mark.parametrize("kind", ["feature alpha", "attention", "stack"])
def test_dropout_within_layers_is_on_too(kind):
    net = nn.Sequential(layer_of(kind), nn.Flatten(), nn.Linear(12, 3)).eval()
    inputs = DenseInputs(torch.ones(5, 3, 4))
    assert dropout_layers(net)
    assert not torch.equal(*(dropout_pass(net, inputs, seed) for seed in (1, 2)))
    assert torch.backends.mha.get_fastpath_enabled()
