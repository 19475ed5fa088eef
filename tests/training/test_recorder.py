import os

import numpy as np
import pytest
import torch
from torch import nn

from chaffinch.core.errors import InputError
from chaffinch.models.inputs import DenseInputs
from chaffinch.store import EvidenceFolder
from chaffinch.training import recorder as module
from chaffinch.training.recorder import Recorder, Wanted, check_outputs, evaluate

N, C, EPOCHS = 11, 3, 2
INPUTS = DenseInputs(torch.randn(N, 4, generator=torch.Generator().manual_seed(0)))


def make_net(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Dropout(0.5), nn.Linear(6, C))


def by_hand(net, rows=slice(None)):
    """Logits and features of the last layer, in eval mode, all at once."""
    features = torch.relu(net[0](INPUTS.tensor[rows]))
    return net[3](features).detach().numpy(), features.detach().numpy()


def test_evaluation_is_in_eval_mode_and_modes_come_back(monkeypatch):
    monkeypatch.setattr(module, "_EVALUATION_BATCH", 4)
    net = make_net().train()
    net[0].eval()
    rows = torch.tensor([10, 0, 3, 3, 7])
    outputs = evaluate(net, INPUTS, rows, net[3])
    logits, features = by_hand(net, rows)
    np.testing.assert_allclose(outputs.logits, logits, atol=1e-6)
    np.testing.assert_allclose(outputs.features, features, atol=1e-6)
    assert outputs.logits.dtype == outputs.features.dtype == np.float32
    assert (net.training, net[0].training, net[2].training) == (True, False, True)
    assert not net[3]._forward_pre_hooks
    assert all(parameter.grad is None for parameter in net.parameters())


def test_without_a_layer_there_are_no_features():
    assert evaluate(make_net(), INPUTS, torch.arange(2), None).features is None


def test_outputs_in_half_precision_are_kept_in_single():
    net = nn.Linear(4, C).bfloat16()
    halves = DenseInputs(INPUTS.tensor.bfloat16())
    assert evaluate(net, halves, torch.arange(2), net).logits.dtype == np.float32


@pytest.fixture
def recorded(tmp_path):
    """The folder after two epochs, and the two models."""
    folder = EvidenceFolder(tmp_path / "evidence")
    recorder = Recorder(folder, (EPOCHS, N, C), INPUTS)
    nets = [make_net(seed) for seed in range(EPOCHS)]
    for epoch, net in enumerate(nets):
        recorder.record(epoch, net, net[3])
        recorder.record_rate(epoch, 0.1 / (epoch + 1))
    return folder, nets


def test_what_is_recorded_is_what_the_models_say(recorded):
    folder, nets = recorded
    for epoch, net in enumerate(nets):
        logits, features = by_hand(net)
        np.testing.assert_allclose(folder.open("logits")[epoch], logits, atol=1e-6)
        norms = [np.sqrt((row.astype(np.float64) ** 2).sum()) for row in features]
        np.testing.assert_allclose(folder.open("feature_norms")[epoch], norms, rtol=1e-6)
    np.testing.assert_allclose(folder.open("features"), by_hand(nets[-1])[1], atol=1e-6)
    np.testing.assert_allclose(folder.open("learning_rates"), [0.1, 0.05], rtol=1e-6)


def test_features_and_the_last_layer_give_the_logits(recorded):
    folder, nets = recorded
    with torch.no_grad():
        logits = nets[-1][3](torch.from_numpy(np.asarray(folder.open("features"))))
    np.testing.assert_allclose(folder.open("logits")[-1], logits, atol=1e-6)


def test_a_model_without_a_last_layer_leaves_no_features(tmp_path):
    folder = EvidenceFolder(tmp_path)
    Recorder(folder, (1, N, C), INPUTS).record(0, make_net(), None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logits.npy"]


def test_held_out_rows_are_written_and_no_others(tmp_path):
    folder = EvidenceFolder(tmp_path)
    recorder = Recorder(folder, (EPOCHS, N, C), INPUTS)
    folds = [torch.tensor([0, 4, 9]), torch.tensor([1, 2, 3])]
    nets = [make_net(seed) for seed in range(2)]
    for net, rows in zip(nets, folds, strict=True):
        recorder.record_held_out(1, net, rows)
    held_out = folder.open("held_out_logits")
    for net, rows in zip(nets, folds, strict=True):
        np.testing.assert_allclose(held_out[1, rows], by_hand(net, rows)[0], atol=1e-6)
    assert not held_out[0].any()
    assert not held_out[1, [5, 6, 7, 8, 10]].any()


def test_held_out_passes_are_written_for_their_rows_alone(tmp_path):
    folder, wanted = EvidenceFolder(tmp_path), Wanted(dropout_passes=3)
    recorder = Recorder(folder, (EPOCHS, N, C), INPUTS, wanted=wanted)
    net, rows = nn.Sequential(nn.Dropout(0.5), make_net()), torch.tensor([0, 4, 9])
    recorder.record_held_out(0, net, rows)
    assert not recorder.holds("held_out_logits")
    recorder.record_held_out_passes(net, rows, seed=1)
    assert recorder.holds("held_out_logits")
    again = Wanted(dropout_passes=4)
    assert not Recorder(folder, (EPOCHS, N, C), INPUTS, wanted=again).holds("held_out_logits")
    found = folder.open("held_out_dropout_logits")
    assert found.shape == (3, N, C)
    assert found[:, rows].std(axis=0).min() > 0
    assert not np.delete(found, rows, axis=1).any()


def test_fold_models_may_have_epochs_of_their_own(tmp_path):
    folder = EvidenceFolder(tmp_path)
    recorder = Recorder(folder, (EPOCHS, N, C), INPUTS, wanted=Wanted(held_out_epochs=EPOCHS + 1))
    net, rows = make_net(), torch.arange(N)
    recorder.record(0, net, None)
    recorder.record_held_out(1, net, rows)
    assert folder.open("held_out_logits").shape == (EPOCHS + 1, N, C)
    np.testing.assert_allclose(folder.open("held_out_logits")[1], by_hand(net, rows)[0], atol=1e-6)
    assert recorder.holds("held_out_logits")
    assert not Recorder(folder, (EPOCHS, N, C), INPUTS).holds("held_out_logits")


def test_a_full_disk_is_met_with_an_error_before_anything_is_written(tmp_path, monkeypatch):
    real = os.statvfs(tmp_path)

    class Full:
        f_frsize = real.f_frsize
        f_bavail = (2**20 - 1) // real.f_frsize

    monkeypatch.setattr(os, "statvfs", lambda path: Full)
    recorder = Recorder(EvidenceFolder(tmp_path), (EPOCHS, N, C), INPUTS)
    with pytest.raises(
        InputError, match=r"MiB of free disk for the record 'logits' in .*; got 1 M"
    ):
        recorder.record(0, make_net(), None)
    assert list(tmp_path.iterdir()) == []


class Answers(nn.Module):
    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x):
        return self.answer(x)


def raises(error):
    def answer(x):
        raise error

    return answer


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (nn.Linear(5, C), r"batches of shape \(B, 4\); got RuntimeError: mat1 and mat2 shapes"),
        (raises(ValueError("first\nsecond")), "got ValueError: first second. Give a model that"),
        (raises(NotImplementedError()), "got NotImplementedError"),
        (raises(IndexError("no")), "IndexError: no"),
        (raises(TypeError("no")), "TypeError: no"),
        (nn.Linear(4, C + 1), r"logits of shape \(B, C\) = \(2, 3\) from the model; got \(2, 4\)"),
        (lambda x: x[:, :C].sum(), r"got \(\)"),
        (lambda x: x[:, :C].repeat(2, 1), r"got \(4, 3\)"),
        (lambda x: (x[:, :C], None), "got tuple. One output a class, before any softmax"),
        (lambda x: {"logits": x}, "got dict"),
    ],
)
def test_models_that_do_not_answer_with_logits(answer, words):
    with pytest.raises(InputError, match=words):
        check_outputs(Answers(answer), INPUTS, C)


def test_models_that_answer_with_logits():
    net = make_net()
    check_outputs(net, INPUTS, C)
    check_outputs(net, DenseInputs(INPUTS.tensor[:1]), C)
    check_outputs(Answers(lambda x: x[:, :C]), INPUTS, C)  # no parameters at all
    assert net.training


BY_EPOCH = frozenset(
    {"features_by_epoch", "validation_logits_by_epoch", "validation_features_by_epoch"}
)


def test_records_of_every_epoch_are_kept_where_they_are_wanted(tmp_path):
    folder = EvidenceFolder(tmp_path / "evidence")
    held = DenseInputs(INPUTS.tensor[:4])
    recorder = Recorder(folder, (EPOCHS, N, C), INPUTS, wanted=Wanted(BY_EPOCH, held))
    nets = [make_net(seed) for seed in range(EPOCHS)]
    assert not recorder.holds_full_run()
    for epoch, net in enumerate(nets):
        recorder.record(epoch, net, net[3])
    assert recorder.holds_full_run()
    assert set(recorder.records_of(nets[0][3])) == {"features", "feature_norms", *BY_EPOCH}
    assert recorder.records_of(None) == ["validation_logits_by_epoch"]
    for epoch, net in enumerate(nets):
        logits, features = by_hand(net)
        np.testing.assert_allclose(folder.open("features_by_epoch")[epoch], features, atol=1e-6)
        found = folder.open("validation_logits_by_epoch")[epoch]
        np.testing.assert_allclose(found, logits[:4], atol=1e-6)
        found = folder.open("validation_features_by_epoch")[epoch]
        np.testing.assert_allclose(found, features[:4], atol=1e-6)
    (folder.path / "features_by_epoch.npy").unlink()
    assert not recorder.holds_full_run()


def test_without_validation_samples_only_what_is_said_of_the_others_is_kept(tmp_path):
    wanted = Wanted(BY_EPOCH)
    assert wanted.by_epoch == ("features_by_epoch",)
    folder = EvidenceFolder(tmp_path / "evidence")
    net = make_net()
    Recorder(folder, (1, N, C), INPUTS, wanted=wanted).record(0, net, net[3])
    assert folder.holds("features_by_epoch", (1, N, None))
    assert not folder.holds("features_by_epoch", (2, N, None))
    assert not folder.holds("features_by_epoch", (1, N))
    assert not folder.holds("validation_logits_by_epoch", (1, None, C))
