import json

import numpy as np
import pandas as pd
import pytest
import torch

import chaffinch as cf
from chaffinch.models.inputs import DenseInputs
from chaffinch.pipeline.features import FeatureScaler
from chaffinch.pipeline.head import prefers_hidden
from chaffinch.training.loop import Schedule


@pytest.fixture(scope="module")
def pictures():
    """Stripes, upright or lying, at random places and of random colours, with some flips."""
    random = np.random.default_rng(0)
    truth = np.arange(400) % 2
    images = random.integers(0, 120, (400, 12, 12, 3), dtype=np.uint8)
    for row, lying in enumerate(truth):
        place = random.integers(2, 10)
        images[row, place if lying else slice(None), slice(None) if lying else place] += 90
    labels, flipped = cf.corruptions.uniform_flips(truth, 0.1, seed=1)
    return images, labels, flipped


def edges(batch):
    """How much of each row and column stands out."""
    grey = batch.mean(1)
    return torch.cat(
        [grey.mean(1).amax(1, True), grey.mean(2).amax(1, True), grey.std((1, 2))[:, None]], 1
    )


@pytest.mark.slow
def test_a_scan_with_a_function_finds_flips_and_can_be_verified(pictures, tmp_path):
    images, labels, flipped = pictures
    run = cf.scan((images, labels), encoder=edges, out=tmp_path / "run")
    flagged = run.table["flagged"].to_numpy()
    assert 2 * (flagged & flipped).sum() / (flagged.sum() + flipped.sum()) > 0.9
    assert run.info.data.modality == "image"
    assert run.info.configuration["encoder"] == "<edges in memory>"
    assert run.evidence.embeddings.shape == (400, 3)
    outcome = run.verify(seeds=2, ablate=False, control=False)
    assert outcome.seeds == 2


def test_last_layer_influence_is_exact_for_a_linear_head(pictures):
    images, labels, _ = pictures
    run = cf.scan((images[:100], labels[:100]), encoder=edges, epochs=3)
    assert run.info.model.name == "LinearHead"
    table = run.evidence
    errors = torch.softmax(torch.from_numpy(np.array(table.logits[-1])), 1)
    errors[torch.arange(100), torch.from_numpy(labels[:100])] -= 1
    features = torch.from_numpy(np.array(table.features))
    squares = errors.square().sum(1) * (features.square().sum(1) + 1)
    own = run.table["gradient_l2"].to_numpy()
    np.testing.assert_allclose(own, squares.sqrt().numpy(), rtol=1e-3)


def test_the_command_line_takes_a_factory_and_finds_a_finished_run(pictures, tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from chaffinch.cli.app import app

    images, labels, _ = pictures
    monkeypatch.chdir(tmp_path)
    np.savez("train.npz", images=images[:100], labels=labels[:100])
    (tmp_path / "mine.py").write_text(
        "import torch\n\n\nclass Mean(torch.nn.Module):\n    def forward(self, batch):\n"
        "        return batch.std((2, 3))\n\n\ndef make():\n    return Mean()\n"
    )
    line = ["scan", "train.npz", "--encoder", "mine.py:make", "--epochs", "2", "--json"]
    first = CliRunner().invoke(app, line)
    assert first.exit_code == 0, first.output
    told = json.loads((tmp_path / "train.chaffinch" / "run.json").read_text())
    assert told["configuration"]["encoder"] == "mine.py:make"
    assert told["model"]["name"] == "LinearHead"
    again = CliRunner().invoke(app, [*line, "--no-cache"])  # the same work: nothing is done anew
    assert again.exit_code == 0, again.output
    assert json.loads((tmp_path / "train.chaffinch" / "run.json").read_text())["id"] == told["id"]


def test_a_hidden_layer_is_taken_where_it_predicts_better():
    random = np.random.default_rng(0)
    points = random.normal(size=(1000, 4)).astype(np.float32)
    inputs = DenseInputs(torch.from_numpy(points))
    schedule, cpu = Schedule(20, 32, 3e-3), torch.device("cpu")
    crossed = (points[:, 0] * points[:, 1] > 0).astype(np.int64)
    assert prefers_hidden(inputs, crossed, 2, schedule, cpu)
    assert not prefers_hidden(DenseInputs(inputs.tensor[:100]), crossed[:100], 2, schedule, cpu)
    straight = (points[:, 0] + 0.5 * random.normal(size=1000) > 0).astype(np.int64)
    assert not prefers_hidden(inputs, straight, 2, schedule, cpu)


def test_features_keep_their_distances_but_for_columns_that_dwarf_the_rest():
    random = np.random.default_rng(0)
    values = random.normal(size=(500, 10)) * np.linspace(1, 3, 10) + 7
    scaled = FeatureScaler(values.astype(np.float32)).encode(values.astype(np.float32)).tensor
    ratio = scaled.std(0) / torch.from_numpy(values).float().std(0)
    assert ratio.max() / ratio.min() < 1.01
    values[:, 0] *= 1000
    scaled = FeatureScaler(values.astype(np.float32)).encode(values.astype(np.float32)).tensor
    assert scaled[:, 0].std() < 6
    assert scaled[:, 1:].std() > 0.3
    constant = FeatureScaler(np.ones((20, 3), np.float32)).encode(np.ones((20, 3), np.float32))
    assert not constant.tensor.any()


def test_validation_goes_through_the_same_encoder(pictures):
    images, labels, _ = pictures
    held = (images[300:], np.arange(300, 400) % 2)
    run = cf.scan((images[:300], labels[:300]), encoder=edges, validation=held, epochs=30)
    assert run.info.model.validation_accuracy > 0.9


def test_a_model_of_ones_own_reads_the_features(pictures):
    images, labels, _ = pictures
    shapes = []

    def build(num_classes, input_shape):
        shapes.append(input_shape)
        return torch.nn.Linear(input_shape[0], num_classes)

    cf.scan((images[:80], labels[:80]), model=build, encoder=edges, epochs=2)
    assert set(shapes) == {(3,)}


def test_tables_can_be_encoded_too():
    frame = pd.DataFrame({"size": np.arange(60.0), "label": np.arange(60) % 2})
    run = cf.scan(frame, encoder=lambda rows: rows[["size"]].to_numpy() % 2, epochs=5)
    assert run.info.data.modality == "table"
