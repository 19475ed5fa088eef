import errno
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

import chaffinch as cf
from chaffinch.core.errors import InputError, RunError
from chaffinch.pipeline import work
from chaffinch.pipeline.resume import Plan, claim
from chaffinch.store import EvidenceFolder
from chaffinch.store.run import RunFolder, partial_folder
from chaffinch.training.loop import StateFile
from chaffinch.training.recorder import Recorder

OPTIONS = {"epochs": 6, "folds": 2, "fold_epochs": 4, "batch_size": 16, "seed": 4}


@pytest.fixture
def whole(csv, tmp_path):
    cf.scan(csv, out=tmp_path / "whole", **OPTIONS)
    return (tmp_path / "whole" / "findings.parquet").read_bytes()


@pytest.mark.parametrize("epochs_done", [0, 1, 5, 6, 8, 10, 13])
def test_stopped_after_any_epoch_it_goes_on_to_the_same_bytes(
    csv, tmp_path, monkeypatch, whole, epochs_done
):
    monkeypatch.setattr(work, "StateFile", lambda path, _seconds: StateFile(path, 0.0))
    left = [epochs_done]
    record, record_held_out = Recorder.record, Recorder.record_held_out

    def counted(method):
        def call(self, *arguments):
            if left[0] == 0:
                raise KeyboardInterrupt
            left[0] -= 1
            method(self, *arguments)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "record", counted(record))
        patch.setattr(Recorder, "record_held_out", counted(record_held_out))
        with pytest.raises(KeyboardInterrupt):
            cf.scan(csv, out=tmp_path / "run", **OPTIONS)
    assert not (tmp_path / "run").exists()
    with pytest.raises(RunError, match="an unfinished one"):
        RunFolder(tmp_path / "run")
    trained = []
    step = work.train

    def spy(task, training, on_epoch, state_file):
        state = state_file.load()
        trained.append(0 if state is None else state["epoch"])
        return step(task, training, on_epoch, state_file)

    monkeypatch.setattr(work, "train", spy)
    cf.scan(csv, out=tmp_path / "run", **OPTIONS)
    assert sum(trained) == epochs_done  # nothing that was done is done again
    assert (tmp_path / "run" / "findings.parquet").read_bytes() == whole
    assert not partial_folder(tmp_path / "run").exists()


def test_stopped_in_a_repetition_it_goes_on_to_the_same_bytes(csv, tmp_path, monkeypatch):
    options = {**OPTIONS, "epochs": 2, "repeats": 2}
    cf.scan(csv, out=tmp_path / "whole", **options)
    recorded = []
    record = Recorder.record

    def stopping(self, *arguments):
        if len(recorded) == 3:  # in the second epoch of the repetition
            raise KeyboardInterrupt
        recorded.append(arguments[0])
        record(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "record", stopping)
        with pytest.raises(KeyboardInterrupt):
            cf.scan(csv, out=tmp_path / "run", **options)
    cf.scan(csv, out=tmp_path / "run", **options)
    ours, theirs = (tmp_path / name / "findings.parquet" for name in ("run", "whole"))
    assert ours.read_bytes() == theirs.read_bytes()


def test_killed_for_real_and_started_again(csv, tmp_path, whole):
    out = tmp_path / "run"
    flags = ["--epochs", "6", "--folds", "2", "--batch-size", "16", "--seed", "4"]
    flags += ["--fold-epochs", "4"]
    command = [sys.executable, "-m", "chaffinch", "scan", str(csv), "--out", str(out), *flags]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    record = partial_folder(out) / "evidence" / "logits.npy"
    deadline = time.monotonic() + 60
    while not record.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "run.json").exists()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (out / "findings.parquet").read_bytes() == whole


def test_an_interrupted_scan_of_other_data_is_not_mixed_in(csv, table, tmp_path, monkeypatch):
    def stop(*_arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "record_held_out", stop)
        with pytest.raises(KeyboardInterrupt):
            cf.scan(csv, out=tmp_path / "run", **OPTIONS)
    with pytest.raises(RunError, match=r"interrupted scan of the same data.*another data set"):
        cf.scan(table.iloc[:100], out=tmp_path / "run", **OPTIONS)
    cf.scan(table.iloc[:100], out=tmp_path / "run", overwrite=True, **OPTIONS)
    assert RunFolder(tmp_path / "run").record.data.samples == 100


@pytest.mark.parametrize("damage", ["lost", "cut"])
def test_lost_records_are_made_again(csv, tmp_path, monkeypatch, whole, damage):
    monkeypatch.setattr(work, "StateFile", lambda path, _seconds: StateFile(path, 0.0))

    def stop(*_arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("chaffinch.pipeline.scan.judge_evidence", stop)
        patch.setattr(EvidenceFolder, "finish", stop)
        with pytest.raises(KeyboardInterrupt):
            cf.scan(csv, out=tmp_path / "run", **OPTIONS)
    for name in ("logits", "held_out_logits"):
        record = partial_folder(tmp_path / "run") / "evidence" / f"{name}.npy"
        if damage == "lost":
            record.unlink()
        else:
            os.truncate(record, 500)
    cf.scan(csv, out=tmp_path / "run", **OPTIONS)
    assert (tmp_path / "run" / "findings.parquet").read_bytes() == whole


def interrupted(csv, out, monkeypatch):
    """A scan stopped when the model trained on all samples and one fold of two are finished."""
    monkeypatch.setattr(work, "StateFile", lambda path, _seconds: StateFile(path, 0.0))
    left, record = [4], Recorder.record_held_out

    def stopping(self, *arguments):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        record(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "record_held_out", stopping)
        with pytest.raises(KeyboardInterrupt):
            cf.scan(csv, out=out, **OPTIONS)
    return partial_folder(out)


DAMAGES = {
    "empty": lambda file: file.write_bytes(b""),
    "cut": lambda file: os.truncate(file, file.stat().st_size // 2),
    "garbage": lambda file: file.write_bytes(bytes(range(256)) * 9),
    "a zip of nothing": lambda file: file.write_bytes(b"PK\x05\x06" + bytes(18)),
    "another file of torch": lambda file: torch.save({"epoch": 1}, file),
    "no epoch": lambda file: torch.save([1, 2], file),
}


@pytest.mark.parametrize(
    ("full", "fold"),
    [("empty", "cut"), ("a zip of nothing", "garbage"), ("another file of torch", "no epoch")],
)
def test_a_damaged_state_is_discarded_and_that_part_trained_again(
    csv, tmp_path, monkeypatch, whole, full, fold, caplog
):
    partial = interrupted(csv, tmp_path / "run", monkeypatch)
    for name, damage in (("full", full), ("fold-0", fold)):
        DAMAGES[damage](partial / "state" / f"{name}.pt")
    cf.scan(csv, out=tmp_path / "run", **OPTIONS)
    for name in ("full", "fold-0"):
        assert f"{name}.pt is damaged: this training begins again" in caplog.text
    assert (tmp_path / "run" / "findings.parquet").read_bytes() == whole


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("features", "lost"),
        ("feature_norms", "garbage"),
        ("learning_rates", "cut"),
    ],
)
def test_a_damaged_record_is_made_again(csv, tmp_path, monkeypatch, whole, name, damage):
    partial = interrupted(csv, tmp_path / "run", monkeypatch)
    file = partial / "evidence" / f"{name}.npy"
    file.unlink() if damage == "lost" else DAMAGES[damage](file)
    cf.scan(csv, out=tmp_path / "run", **OPTIONS)
    assert (tmp_path / "run" / "findings.parquet").read_bytes() == whole


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"null", b"{}"])
def test_a_damaged_plan_discards_what_was_begun(tmp_path, content, caplog):
    plan = Plan("data", {"seed": 1})
    partial = claim(tmp_path / "run", plan, overwrite=False)
    (partial / "evidence").mkdir()
    (partial / "evidence" / "logits.npy").write_bytes(b"begun")
    assert claim(tmp_path / "run", plan, overwrite=False) == partial
    assert (partial / "evidence").exists()
    (partial / "plan.json").write_bytes(content)
    assert claim(tmp_path / "run", plan, overwrite=False) == partial
    assert "run.partial is damaged" in caplog.text
    assert [path.name for path in partial.iterdir()] == ["plan.json"]


def test_a_full_disk_is_said_and_work_is_kept(csv, tmp_path, monkeypatch, whole):
    def full(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr("chaffinch.pipeline.keeping.write_result", full)
        with pytest.raises(InputError, match=r"free disk space.*full disk.*goes on"):
            cf.scan(csv, out=out, **OPTIONS)
    assert not out.exists()
    assert partial_folder(out).exists()
    monkeypatch.setattr(work, "train", _done)
    cf.scan(csv, out=out, **OPTIONS)
    assert (out / "findings.parquet").read_bytes() == whole


def _done(task, training, on_epoch, state_file):
    from chaffinch.training.loop import train

    state = state_file.load()
    assert state is not None
    assert state["epoch"] == task.schedule.epochs
    return train(task, training, on_epoch, state_file)
