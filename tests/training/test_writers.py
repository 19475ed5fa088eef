"""Writers: what is written can be read back."""

import csv
import json
import sys

import numpy as np
import pytest
from live_scene import snapshot

from chaffinch.core.errors import MissingExtraError
from chaffinch.training.alarms import Alarm
from chaffinch.training.diagnostics.noise import LabelNoise
from chaffinch.training.writers import CSVWriter, JSONLWriter, MLflowWriter, TensorBoardWriter

HISTORY = [
    snapshot(0, loss=2.0),
    snapshot(1, loss=1.0, noise=LabelNoise(0.2, 1.0, 50.0, 900)),
    snapshot(2, loss=float("nan")),
]
ALARM = Alarm(
    "source_quality", "labels", "warning", 1, "B is bad", {"rate": 0.2}, np.arange(3), "B"
)


def show(writer, history=HISTORY):
    for number in range(1, len(history) + 1):
        writer.show(history[:number], [ALARM] if number > 1 else [])
    writer.close()


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_csv_has_a_row_an_epoch_and_goes_on(tmp_path):
    path = tmp_path / "new" / "watch.csv"
    show(CSVWriter(path))
    rows = rows_of(path)
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [row["train/loss"] for row in rows] == ["2", "1", "nan"]
    assert [row["labels/noise_rate"] for row in rows] == ["", "0.2", ""]
    assert [row["alarms"] for row in rows] == ["", "source_quality", ""]
    # A training that goes on from the second epoch trains the third again.
    CSVWriter(path).show([snapshot(2, loss=0.5)], [])
    CSVWriter(path).show([snapshot(3, loss=0.25)], [])
    assert [row["train/loss"] for row in rows_of(path)] == ["2", "1", "0.5", "0.25"]
    CSVWriter(path).show([snapshot(1, loss=0.7)], [])
    assert [row["train/loss"] for row in rows_of(path)] == ["2", "0.7"]


def test_json_lines_hold_epochs_and_alarms(tmp_path):
    path = tmp_path / "new" / "watch.jsonl"
    show(JSONLWriter(path))
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 2, 3]
    assert lines[0]["numbers"]["train/loss"] == 2.0
    assert lines[3]["numbers"]["train/loss"] is None
    alarm = lines[2]["alarm"]
    assert (alarm["name"], alarm["epoch"], alarm["ids"]) == ("source_quality", 2, [0, 1, 2])


@pytest.mark.filterwarnings("ignore")
def test_tensorboard_reads_it_back(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    show(TensorBoardWriter(tmp_path))
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    found = events.Scalars("chaffinch/train/loss")
    assert [one.step for one in found] == [1, 2, 3]
    assert found[0].value == 2.0
    assert "chaffinch/alarm/source_quality/text_summary" in events.Tags()["tensors"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_mlflow_reads_it_back(tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    from mlflow.tracking import MlflowClient

    # A database would need more than mlflow-skinny brings.
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    place = (tmp_path / "runs").as_uri()
    client = MlflowClient(place)
    writer = MLflowWriter(tracking_uri=place, experiment="watched")
    show(writer)
    run = client.get_run(writer.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["chaffinch/alarm/source_quality/B"] == "epoch 2: B is bad"
    losses = client.get_metric_history(writer.run_id, "chaffinch/train/loss")
    assert [(one.step, one.value) for one in losses][:2] == [(1, 2.0), (2, 1.0)]
    going_on = MLflowWriter(run_id=writer.run_id, tracking_uri=place)
    going_on.show([snapshot(3, loss=0.1)], [])
    assert len(client.get_metric_history(writer.run_id, "chaffinch/train/loss")) == 4


@pytest.mark.parametrize(
    ("make", "module", "asked"),
    [
        (lambda folder: TensorBoardWriter(folder), "torch.utils.tensorboard", "tensorboard"),
        (lambda folder: MLflowWriter(), "mlflow", "mlflow"),
    ],
)
def test_a_missing_extra_says_how_to_install_it(make, module, asked, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'chaffinch\[tracking\]'") as caught:
        make(tmp_path)
    assert asked in str(caught.value)
