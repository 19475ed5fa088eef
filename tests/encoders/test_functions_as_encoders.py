import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import chaffinch as cf
from chaffinch.core.errors import InputError

IMAGES = np.random.default_rng(0).integers(0, 255, (70, 8, 6, 3), dtype=np.uint8)


def test_a_function_gets_images_as_floats_with_channels_first():
    given = []

    def mean(batch):
        given.append(batch)
        return batch.mean((2, 3))

    found = cf.encode(IMAGES, mean)
    np.testing.assert_allclose(found, IMAGES.mean((1, 2)) / 255, atol=1e-6)
    assert [tuple(batch.shape) for batch in given] == [(64, 3, 8, 6), (6, 3, 8, 6)]
    assert given[0].dtype == torch.float32


def test_an_encoder_may_ask_for_a_size_and_a_batch_size():
    def flat(batch):
        assert len(batch) <= 20
        return batch.flatten(1)

    flat.image_size, flat.batch_size = (4, 5), 20
    assert cf.encode(IMAGES, flat).shape == (70, 60)


def test_texts_tensors_and_rows_come_in_their_own_form():
    assert cf.encode(["a", "bcd"], lambda texts: [[len(one)] for one in texts]).tolist() == [
        [1],
        [3],
    ]
    waves = torch.arange(12.0).reshape(4, 3)
    pairs = torch.utils.data.TensorDataset(waves, torch.tensor([0, 1, 0, 1]))
    np.testing.assert_array_equal(cf.encode(pairs, lambda batch: batch * 2), waves * 2)
    frame = pd.DataFrame({"size": [1.5, 2.5], "label": [0, 1]})
    assert cf.encode(frame, lambda rows: rows[["size"]].to_numpy()).tolist() == [[1.5], [2.5]]


def test_a_module_is_run_in_eval_mode_without_gradients():
    class Doubtful(nn.Module):
        def __init__(self):
            super().__init__()
            self.drop = nn.Dropout(0.9)
            self.weight = nn.Parameter(torch.ones(3))

        def forward(self, images):
            assert not torch.is_grad_enabled()
            return self.drop(images.mean((2, 3)) * self.weight)[:, :, None, None]

    np.testing.assert_allclose(cf.encode(IMAGES, Doubtful()), IMAGES.mean((1, 2)) / 255, atol=1e-6)


@pytest.mark.parametrize("name", ["make", "encode"])
def test_a_factory_in_a_file(tmp_path, name):
    file = tmp_path / "mine.py"
    file.write_text(
        "def encode(batch):\n    return batch.mean((2, 3))\n\n\ndef make():\n    return encode\n"
    )
    found = cf.encode(IMAGES, f"{file}:{name}")
    np.testing.assert_allclose(found, IMAGES.mean((1, 2)) / 255, atol=1e-6)


@pytest.mark.parametrize(
    ("encoder", "told"),
    [
        (lambda batch: batch, r"shape \(B, K\).*got shape \(64, 3, 8, 6\)"),
        (lambda batch: batch.mean((2, 3))[:3], r"one row for each of 64 samples"),
        (lambda batch: batch.mean((2, 3)).log() * np.nan, "finite features.*first in row 0"),
        (
            lambda batch: batch @ torch.ones(7, 1),
            "an encoder that takes a Tensor of .*RuntimeError",
        ),
        (lambda batch: "words", "got a str"),
        (7, "an encoder: the name of a model.*got a int"),
        ("mine.py:make", "a folder or file with an encoder at mine.py"),
        ("no_such_module:make", "an importable factory"),
        ("./nowhere", "a folder or file with an encoder at ./nowhere"),
        ("vectors.npy", "a folder or file with an encoder at vectors.npy"),
    ],
)
def test_what_is_no_encoder_is_told(encoder, told):
    with pytest.raises(InputError, match=told):
        cf.encode(IMAGES, encoder)


def test_a_mistyped_path_is_told_before_the_data_are_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "encoder").mkdir(parents=True)
    with pytest.raises(InputError, match=r"models/encodr.*Did you mean 'models/encoder'"):
        cf.scan(tmp_path / "no-data.csv", encoder="models/encodr")


def test_a_name_that_nobody_knows_is_told_at_once(monkeypatch):
    hub = pytest.importorskip("huggingface_hub")

    def unreachable(name, timeout):
        assert timeout <= 5
        raise OSError("the hub does not answer")

    monkeypatch.setattr(hub, "model_info", unreachable)
    with pytest.raises(InputError, match=r"nobody/encodr, or its name on the hub.*does not answer"):
        cf.encode(IMAGES, "nobody/encodr")


def test_one_source_of_features_is_enough():
    data = (IMAGES, np.arange(70) % 2)
    with pytest.raises(InputError, match="encoder and embeddings"):
        cf.scan(data, encoder="a", embeddings=np.zeros((70, 2)))
