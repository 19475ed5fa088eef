"""A watched training gives a run, kept or not, with the data or without."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import chaffinch as cf
from chaffinch.core.errors import InputError


@pytest.fixture
def watched(judged):
    """Three epochs of a linear model; the last five samples never come."""
    table, *_ = judged
    x = torch.tensor(table[["height", "width"]].to_numpy(), dtype=torch.float32)
    codes = torch.tensor((table["label"] == "wren").to_numpy(), dtype=torch.int64)
    torch.manual_seed(0)
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    data = cf.with_ids(TensorDataset(x, codes))
    loader = DataLoader(torch.utils.data.Subset(data, range(115)), batch_size=23)
    with cf.watch(model, num_samples=120, classes=["lark", "wren"]) as watch:
        for _ in watch.epochs(3):
            for ids, inputs, labels in loader:
                loss = watch.loss(model(inputs), labels, ids)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    return watch


def test_a_watch_becomes_a_run_with_report_plan_and_repair(watched, judged, csv, tmp_path):
    run = watched.run(tmp_path / "run", ledger="none")
    assert len(run) == 115
    assert run.table["row"].tolist() == list(range(115))
    assert "never came" in " ".join(run.notes)
    assert run.info.configuration["of"] == "watch"
    assert run.info.model.name == "Linear"
    again = cf.Run.open(tmp_path / "run")
    pd.testing.assert_frame_equal(again.table, run.table)
    assert np.array_equal(again.evidence.need("logits"), watched.evidence().need("logits"))
    again.propose()
    again.attach(csv)
    assert again.apply(out=tmp_path / "clean.csv", ledger="none") == tmp_path / "clean.csv"
    shown = again.export("label-studio", tmp_path / "tasks.json", rows="all", data=str(csv))
    assert shown.read_text().count('"height: ') == 115


def test_with_data_a_watch_names_samples_as_they_do(watched, csv):
    run = watched.run(data=csv)
    assert run.table["id"].tolist() == cf.open_data(csv).ids[:115].tolist()
    assert run.table["source"].iloc[3] == "birds.csv:3"
    assert run.propose().edits


def test_a_watch_refuses_data_in_another_order(watched, judged, tmp_path):
    with pytest.raises(InputError, match="another label"):
        watched.run(tmp_path / "run", data=judged[0].iloc[::-1])
