"""Boundaries of epochs, errors, resuming, files, and several processes."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import distributed as dist
from torch import multiprocessing
from torch.nn.parallel import DistributedDataParallel
from watch_twin import make_data, make_net

import chaffinch as cf
from chaffinch.core.errors import InputError, RunError
from chaffinch.store import EvidenceFolder
from chaffinch.training.live import Monitor
from chaffinch.training.watching.archive import GrowingArray
from chaffinch.training.watching.observer import FIELDS, EpochRecord, Observer, StepRecord


def steps(watch, model, data, batches):
    x, y = data
    for rows in batches:
        ids = torch.as_tensor(rows)
        watch.loss(model(x[ids]), y[ids], ids).backward()


def test_an_id_seen_again_begins_an_epoch():
    data, model = make_data(6), make_net()
    with cf.watch(model, 6) as watch:
        steps(watch, model, data, [[0, 1], [2, 3], [1, 0], [4, 5], [5, 5, 2]])
        assert watch.epoch == 2
    assert watch.epoch == 3
    seen = np.isfinite(watch.history("loss"))
    assert seen.astype(int).tolist() == [
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 1],
        [0, 0, 1, 0, 0, 1],
    ]


def test_counted_and_told_boundaries():
    data, model = make_data(6), make_net()
    with cf.watch(model, 6, boundary=2) as watch:
        steps(watch, model, data, [[0, 0], [0, 1], [2, 3], [2, 3], [4]])
    assert np.isfinite(watch.history("loss")).sum(1).tolist() == [2, 2, 1]
    with cf.watch(model, 6) as watch:
        steps(watch, model, data, [[0, 1], [2, 3]])
        watch.epoch_end()
        steps(watch, model, data, [[4, 5], [4, 5], [0, 5]])
        watch.epoch_end()
    assert np.isfinite(watch.history("loss")).sum(1).tolist() == [4, 3]
    with cf.watch(model, 6) as watch:
        for epoch in watch.epochs(3):
            assert epoch == watch.epoch
            steps(watch, model, data, [[0, 1], [1, 2]])
    assert watch.epoch == 3


def test_telling_after_inferring_is_refused():
    data, model = make_data(6), make_net()
    with cf.watch(model, 6) as watch:
        steps(watch, model, data, [[0, 1], [1, 2]])
        with pytest.raises(InputError, match=r"1 epochs that were inferred.*boundary='told'"):
            watch.epoch_end()
    with pytest.raises(InputError, match="loss in epoch 1; got none"), cf.watch(model, 6) as watch:
        list(watch.epochs(2))
    with pytest.raises(InputError, match="'told' or a number of steps"):
        cf.watch(model, 6, boundary="sometimes")


def test_an_error_leaves_the_unfinished_epoch_out():
    data, model = make_data(6), make_net()

    def fail(watch):
        with watch:
            steps(watch, model, data, [range(6), [0, 1]])
            raise KeyboardInterrupt

    watch = cf.watch(model, 6)
    with pytest.raises(KeyboardInterrupt):
        fail(watch)
    assert len(watch.history("loss")) == 1


class Onlooker:
    def __init__(self):
        self.blocks, self.epochs, self.closed, self.level = [], [], 0, 0

    def on_steps(self, record):
        self.blocks.append(record)

    def on_epoch(self, record):
        self.epochs.append(record)

    def close(self):
        self.closed += 1

    def state_dict(self):
        return {"level": self.level}

    def load_state_dict(self, state):
        self.level = state["level"]


def test_observers_see_every_row_and_every_epoch():
    data, model, onlooker, calls = make_data(6), make_net(), Onlooker(), []
    assert isinstance(onlooker, Observer)
    options = {"callbacks": [onlooker, calls.append], "groups": list("aabbcc")}
    with cf.watch(model, 6, validation=make_data(4), **options) as watch:
        steps(watch, model, data, [[0, 1], [2, 3], [1, 0], [4, 5]])
    assert all(isinstance(one, StepRecord) for one in onlooker.blocks)
    assert np.concatenate([b.steps for b in onlooker.blocks]).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert np.concatenate([b.ids for b in onlooker.blocks]).tolist() == [0, 1, 2, 3, 1, 0, 4, 5]
    assert [b.epoch for b in onlooker.blocks] == [0, 1]
    shown = np.concatenate([b.values["loss"] for b in onlooker.blocks])
    np.testing.assert_allclose(shown[:4], watch.history("loss")[0, :4], rtol=1e-6)
    first, second = onlooker.epochs
    assert calls == [first, second]
    assert isinstance(first, EpochRecord)
    assert set(first.values) == set(FIELDS)
    assert (first.rows, first.steps, first.num_classes, first.epoch) == (4, 2, 3, 0)
    assert first.labels[4:].tolist() == [-1, -1]
    assert second.labels.tolist() == data[1].tolist()
    assert second.groups.tolist() == list("aabbcc")
    assert first.validation.logits.shape == (4, 3)
    expected = torch.nn.functional.cross_entropy(model(make_data(4)[0]), make_data(4)[1])
    assert first.validation.loss == pytest.approx(float(expected.detach()))
    assert onlooker.closed == 1


def train(path, model, stop=None, state=None, out=None, **options):
    """Two batches an epoch under momentum; `stop` after so many steps, saving what a user saves."""
    x, y = make_data(40, dtype=torch.float32)
    optimizer = torch.optim.SGD(model.parameters(), 0.5, momentum=0.9)
    watch = cf.watch(model, 40, out=out, optimizer=optimizer, **options)
    done = 0
    if state is not None:
        kept = torch.load(state, weights_only=True)
        model.load_state_dict(kept["model"])
        optimizer.load_state_dict(kept["optimizer"])
        watch.load_state_dict(kept["watch"])
        done = kept["done"]
    with watch:
        for step in range(done, 12):
            if step == stop:
                kept = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
                torch.save({**kept, "watch": watch.state_dict(), "done": step}, path)
                if out is None:
                    raise KeyboardInterrupt
                stop = step + 3  # go on for a while: what is recorded after the checkpoint is lost
                if step > 6:
                    raise KeyboardInterrupt
            order = np.random.default_rng(step // 4).permutation(40).reshape(4, 10)[step % 4]
            ids = torch.from_numpy(order)
            loss = watch.loss(model(x[ids]), y[ids], ids)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return watch


POLICIES = ("observe", "quarantine", "small_loss", "influence", "rebalance", "clip", "sift")


@pytest.mark.parametrize("policy", POLICIES)
def test_kill_and_resume_end_with_the_same_numbers(tmp_path, policy):
    options = {"policy": policy, "validation": make_data(8, dtype=torch.float32), "influence": 0.5}
    options["loss"] = "early_learning_regularization"
    whole_model = make_net(dtype=torch.float32)
    whole = train(tmp_path / "none", whole_model, **options)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "state", make_net(dtype=torch.float32, seed=0), stop=6, **options)
    model = make_net(dtype=torch.float32, seed=77)
    again = train(tmp_path / "none", model, state=tmp_path / "state", **options)
    for one, other in zip(model.parameters(), whole_model.parameters(), strict=True):
        assert torch.equal(one, other)
    for name in (*FIELDS, "logits"):
        # Some processors' exp differs by one bit with where the numbers lie in memory.
        np.testing.assert_allclose(
            again.history(name), whole.history(name), 1e-6, 1e-7, err_msg=name
        )
    assert again.decisions() == whole.decisions()


def test_a_folder_forgets_what_came_after_the_checkpoint(tmp_path):
    whole = train(tmp_path / "none", make_net(dtype=torch.float32), out=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "state", make_net(dtype=torch.float32), stop=4, out=tmp_path / "run")
    with pytest.raises(InputError, match=r"with 0 epochs.*one with 1.*load_state_dict"):
        train(tmp_path / "none", make_net(dtype=torch.float32), out=tmp_path / "run")
    model = make_net(dtype=torch.float32, seed=5)
    again = train(tmp_path / "none", model, state=tmp_path / "state", out=tmp_path / "run")
    for name in FIELDS:
        np.testing.assert_allclose(again.history(name), whole.history(name), 1e-6, 1e-7)
    with pytest.raises(RunError, match="out= that the checkpoint"):
        train(tmp_path, make_net(dtype=torch.float32), state=tmp_path / "state", out=tmp_path / "x")


def test_a_state_of_other_data_is_refused():
    state = cf.watch(make_net(), 5).state_dict()
    with pytest.raises(InputError, match="a watch of 6 samples; got 5"):
        cf.watch(make_net(), 6).load_state_dict(state)


def test_the_log_of_decisions(tmp_path):
    data, model = make_data(6), make_net()
    with cf.watch(model, 6, out=tmp_path) as watch:
        watch.pin([2, 3], 0)
        steps(watch, model, data, [range(6)])
        watch.unpin([2, 3])
        watch.log("noted", "looked at by hand", [1])
    lines = [json.loads(line) for line in (tmp_path / "decisions.jsonl").read_text().splitlines()]
    assert [line["action"] for line in lines] == ["pinned", "unpinned", "noted"]
    assert lines[0] == {
        "epoch": 0,
        "source": "user",
        "action": "pinned",
        "reason": "weight 0, by hand",
        "count": 2,
        "ids": [2, 3],
    }
    assert watch.history("weight")[0].tolist() == [1, 1, 0, 0, 1, 1]


def test_a_growing_array_survives_a_crash_between_epochs(tmp_path):
    array = GrowingArray(tmp_path / "a.npy", (3,))
    assert array.open().shape == (0, 3)
    array.append(np.arange(3))
    with array.path.open("ab") as file:
        file.write(b"half an epoch")
    array.append(np.arange(3) + 3)
    assert np.load(array.path).tolist() == [[0, 1, 2], [3, 4, 5]]
    array.truncate(1)
    assert array.open().tolist() == [[0, 1, 2]]
    with pytest.raises(RunError, match=r"record \(E, 4\) of float32"):
        GrowingArray(tmp_path / "a.npy", (4,)).open()
    (tmp_path / "a.npy").write_bytes(b"nonsense")
    with pytest.raises(RunError, match="damaged"):
        array.open()


def test_evidence_and_findings(tmp_path):
    x, y = make_data(60, classes=2)
    names, classes = [f"row {i}" for i in range(60)], ["lark", "wren"]
    model = make_net(classes=2)
    options = {"out": tmp_path, "ids": names, "classes": classes}
    with cf.watch(model, 60, boundary=2, **options) as watch:
        steps(watch, model, (x, y), [range(40), range(30, 50), range(20), range(50)])
    logits = watch.history("logits")
    evidence = EvidenceFolder(tmp_path / "evidence").load()
    assert evidence.ids.tolist() == names[:50]
    assert evidence.labels.names[:1] + evidence.labels.names[1:] == classes
    assert evidence.labels.codes.tolist() == y[:50].tolist()
    assert evidence.logits.shape == (2, 50, 2)
    np.testing.assert_array_equal(evidence.logits[1], logits[1, :50])
    assert evidence.need("feature_norms").shape == (2, 50)
    findings = watch.findings()
    assert findings.table["id"].tolist() == names[:50]
    assert set(findings.table["given_label"]) == {"lark", "wren"}
    graded, crisp = (watch.findings([], assume=one) for one in ("graded", "crisp"))
    assert graded.estimated_errors <= crisp.estimated_errors
    with pytest.raises(InputError, match="crisp"):
        watch.findings(assume="soft")


def test_gaps_in_the_evidence_are_filled():
    data, model = make_data(6), make_net()
    with cf.watch(model, 6, boundary=1) as watch:
        steps(watch, model, data, [[0, 1, 2, 3], [2, 3, 4], [0, 1, 2, 3, 4]])
    logits, evidence = watch.history("logits"), watch.evidence()
    np.testing.assert_array_equal(evidence.logits[1, 0], logits[0, 0])
    np.testing.assert_array_equal(evidence.logits[0, 4], logits[1, 4])
    with cf.watch(model, 6, logits=False) as watch:
        steps(watch, model, data, [range(6)])
        with pytest.raises(InputError, match="watch with logits=True"):
            watch.evidence()


BAD = [
    (lambda w, o, y, i: w.loss(o[0], y, i), r"outputs \(B, C\) in floating point"),
    (lambda w, o, y, i: w.loss(o, y[:3], i), "6 labels as a tensor and as many ids"),
    (lambda w, o, y, i: w.loss(o, y, i[:3]), "labels \\(6,\\) and 3 ids"),
    (lambda w, o, y, i: w.loss(o, y, i + 1), r"ids in 0..5; got 1 to 6"),
    (lambda w, o, y, i: w.loss(o, y, i - 1), r"ids in 0..5; got -1 to 4"),
    (lambda w, o, y, i: w.loss(o, y, i * 0.5), "ids .* as whole numbers"),
    (lambda w, o, y, i: w.loss(o, y + 7, i), r"labels \(6,\) in 0..2"),
    (lambda w, o, y, i: w.history("nonsense"), "the name of a record"),
    (lambda w, o, y, i: w.pin([9]), "ids in 0..5"),
    (lambda w, o, y, i: w.pin([1], -1), "weight >= 0"),
]


@pytest.mark.parametrize(("call", "words"), BAD, ids=[words[:20] for _, words in BAD])
def test_bad_calls(call, words):
    (x, y), model = make_data(6), make_net()
    with cf.watch(model, 6) as watch, pytest.raises(InputError, match=words):
        call(watch, model(x), y, torch.arange(6))


OPTIONS = [
    ({"los": 1}, "options of cf.watch"),
    ({"loss": "nonsense"}, "the name of a loss"),
    ({"loss": 3}, "a module or a function"),
    ({"policy": "nonsense"}, "the name of a policy"),
    ({"policy": [3]}, "name of a policy or a Policy"),
    ({"influence": 0.5}, "clean validation samples"),
    ({"policy": "influence"}, "clean validation samples"),
    ({"influence": 2, "validation": make_data(4)}, "influence in 0..1|influence >= 0"),
    ({"validation": 3}, r"validation=\(X, y\)"),
    ({"validation": (torch.ones(3, 5), torch.ones(2))}, "one code a sample"),
    ({"groups": [1]}, r"groups of shape \(6,\)"),
    ({"callbacks": [3]}, "observers or functions"),
    ({"callbacks": 4}, "functions of an EpochRecord as callbacks; got 4"),
    ({"optimizer": 3}, "an optimizer of torch; got int"),
    ({"layer": "2"}, "linear layer of the model as layer; got '2'"),
    ({"layer": torch.nn.Linear(1, 1)}, "a linear layer of the model"),
]


@pytest.mark.parametrize(("options", "words"), OPTIONS, ids=[words[:20] for _, words in OPTIONS])
def test_bad_options(options, words):
    with pytest.raises(InputError, match=words):
        cf.watch(make_net(), 6, **options)


def test_what_only_the_first_batch_shows():
    (x, y), model = make_data(6), make_net()
    for options, words in (
        ({"num_classes": 4}, r"outputs \(B, 4\)"),
        ({"classes": ["a"]}, r"classes of shape \(3,\)"),
        ({"loss": "forward_correction"}, r"only its name.*cf.losses.ForwardCorrection"),
        ({"loss": lambda outputs, labels: outputs.sum()}, r"one value a sample, \(6,\)"),
    ):
        with cf.watch(model, 6, **options) as watch, pytest.raises(InputError, match=words):
            watch.loss(model(x), y, torch.arange(6))
    with pytest.raises(InputError, match="inside of 'with"):
        cf.watch(model, 6).loss(model(x), y, torch.arange(6))
    with pytest.raises(InputError, match="the number of training samples; got 0"):
        cf.watch(model, 0)
    with pytest.raises(InputError, match="a model of torch; got NoneType"):
        cf.watch(None, 6)


def test_a_folder_that_cannot_be_made_is_an_error_of_the_first_step(tmp_path):
    (x, y), model = make_data(6), make_net()
    (tmp_path / "file").write_text("mine")
    watch = cf.watch(model, 6, out=tmp_path / "file")
    with watch, pytest.raises(InputError, match="folder that can be written"):
        watch.loss(model(x), y, torch.arange(6))
    assert (tmp_path / "file").read_text() == "mine"


def test_temporary_records_go_with_the_watch():
    watch = cf.watch(make_net(), 3)
    folder = watch.path
    assert folder.is_dir()
    del watch
    assert not folder.exists()


def work(rank, world, folder, kept, out, stop=None):
    """One process of a data parallel training: the samples rank, rank + world, ...

    Each saves its state at the end of the body of every epoch, and goes on from it where there is
    one; after the epoch `stop` it ends as if it were killed.
    """
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29631"}
    store = dist.FileStore(str(Path(folder) / f"meeting-{out}-{stop}"), world)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=world)
    torch.set_num_threads(1)
    x, y = make_data(21)
    model = make_net()
    parallel = DistributedDataParallel(model) if world > 1 else model
    options = {"out": Path(folder) / out, "policy": "quarantine"}
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    held = make_data(6, seed=4)
    state = Path(folder) / f"{out}-{rank}.pt"
    watch = cf.watch(parallel, 21, validation=held, influence=1.0, **options)
    if state.exists():
        before = torch.load(state, weights_only=True)
        model.load_state_dict(before["model"])
        watch.load_state_dict(before["watch"])
    with watch:
        for epoch in watch.epochs(3):
            for part in torch.arange(21).split(7):
                ids = part[rank::world]
                # Means over processes of unequal batches: make them the mean over all 7 samples.
                loss = watch.loss(parallel(x[ids]), y[ids], ids) * len(ids) * world / 7
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            torch.save({"model": model.state_dict(), "watch": watch.state_dict()}, state)
            if epoch == stop:
                os._exit(0)
    kept[rank] = (watch.epoch, watch.state_dict()["ledger"]["labels"].tolist())
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_record_what_one_does(tmp_path):
    with multiprocessing.Manager() as manager:
        kept = manager.dict()
        for world in (1, 2):
            given = (world, str(tmp_path), kept, f"world-{world}")
            multiprocessing.spawn(work, given, nprocs=world)
        assert kept[0] == kept[1] == (3, make_data(21)[1].tolist())
    for name in FIELDS:
        one, two = (
            np.load(tmp_path / f"world-{world}" / "records" / f"{name}.npy") for world in (1, 2)
        )
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("stop", [0, 1])
def test_two_processes_go_on_after_the_epoch_whose_end_they_saved(tmp_path, stop):
    with multiprocessing.Manager() as manager:
        kept = manager.dict()
        for out, end in (("whole", None), ("again", stop), ("again", None)):
            given = (2, str(tmp_path), kept, out, end)
            multiprocessing.spawn(work, given, nprocs=2)
        assert kept[0] == kept[1] == (3, make_data(21)[1].tolist())
    for name in FIELDS:
        one, two = (
            np.load(tmp_path / out / "records" / f"{name}.npy") for out in ("whole", "again")
        )
        assert one.shape[0] == 3
        np.testing.assert_array_equal(one, two, err_msg=name)


def test_several_processes_must_be_told_epochs(tmp_path, monkeypatch):
    monkeypatch.setattr("chaffinch.training.watching.watch.world_size", lambda: 2)
    (x, y), model = make_data(6), make_net()
    with cf.watch(model, 6) as watch, pytest.raises(InputError, match=r"watch.epochs\(number\)"):
        watch.loss(model(x), y, torch.arange(6))


def test_processes_add_up_what_they_saw(monkeypatch):
    """The gather with a second process of which all sums are known, without starting one."""
    data, model = make_data(6), make_net()
    with cf.watch(model, 6) as alone:
        steps(alone, model, data, [range(6)])

    def halves(values, op=dist.ReduceOp.SUM):
        values.mul_(1 if op == dist.ReduceOp.MAX else 2)

    with cf.watch(model, 6) as watch:
        steps(watch, model, data, [range(6)])
        monkeypatch.setattr(dist, "is_initialized", lambda: True)
        monkeypatch.setattr(dist, "get_world_size", lambda: 2)
        monkeypatch.setattr(dist, "get_rank", lambda: 0)
        monkeypatch.setattr(dist, "all_reduce", halves)
        seen = []
        watch._observers.append(type("See", (), {"on_epoch": seen.append, "close": list})())
        watch.epoch_end()
    assert seen[0].rows == 12
    for name in ("loss", "margin", "logits"):
        np.testing.assert_allclose(watch.history(name), alone.history(name), rtol=1e-6)


def test_steps_are_not_copied_for_those_who_look_at_epochs_only():
    data, model = make_data(6), make_net()
    eager, patient = Onlooker(), Onlooker()
    patient.every_step = False
    with cf.watch(model, 6, callbacks=[patient, lambda record: None]) as watch:
        steps(watch, model, data, [range(6)])
    assert patient.blocks == []
    assert len(patient.epochs) == 1
    with cf.watch(model, 6, callbacks=[patient, eager]) as watch:
        steps(watch, model, data, [range(6)])
    assert len(eager.blocks) == 1


def test_alarms_by_option():
    data, model = make_data(6), make_net()
    x = data[0].clone()
    x[2:4] = torch.nan
    records = []
    with cf.watch(model, 6, alarms=["not_finite"], callbacks=[records.append]) as watch:
        steps(watch, model, (x, data[1]), [range(6)])
    assert [alarm.name for alarm in watch.alarms] == ["not_finite"]
    assert watch.alarms[0].values["samples"] == records[0].broken == 2
    assert cf.watch(model, 6, alarms=True).alarms == []
    with pytest.raises(InputError, match="Watch with alarms=True"):
        _ = cf.watch(model, 6).alarms
    with pytest.raises(InputError, match="one Monitor; got alarms=True"):
        cf.watch(model, 6, alarms=True, callbacks=[Monitor()])
    with pytest.raises(InputError, match="nonsense"):
        cf.watch(model, 6, alarms=["nonsense"])
