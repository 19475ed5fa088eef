import json
import shutil
import sys

import numpy as np
import pytest
import torch

import chaffinch as cf
from chaffinch.core.errors import InputError, MissingExtraError
from chaffinch.core.labels import Labels
from chaffinch.data import TextData
from chaffinch.encoders.transformers_model import TransformersEncoder
from chaffinch.models.language.loading import load_encoder
from chaffinch.store.run import RunFolder

CPU = torch.device("cpu")


def test_embeddings_are_means_of_token_outputs_whatever_the_batch(text_folder):
    from transformers import AutoModel, AutoTokenizer

    texts = [
        "a good day",
        "the day was cold and dull and the number was bad",
        "fine",
        "lovely number",
    ] * 30
    found = cf.encode(texts, text_folder)
    assert found.shape == (120, 16)
    assert np.abs(found[0] - found[1]).max() > 0.01
    tokenizer = AutoTokenizer.from_pretrained(text_folder)
    model = AutoModel.from_pretrained(text_folder).double().eval()
    for row, text in enumerate(texts[:4]):
        with torch.no_grad():  # one at a time: no padding at all
            hidden = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        mean = hidden.mean(0)
        expected = (mean / mean.norm()).numpy()
        np.testing.assert_allclose(found[row], expected, atol=1e-5)
        np.testing.assert_allclose(found[row + 116], expected, atol=1e-5)


@pytest.mark.parametrize("name", ["encoder", "embedder"])
def test_a_scan_of_encoded_texts_finds_flips(text_folder, tmp_path, name):
    random = np.random.default_rng(0)
    truth = np.arange(200) % 2
    moods = (["good", "fine", "lovely", "warm"], ["bad", "awful", "cold", "dull"])
    texts = [f"the day was {' and '.join(random.choice(moods[c], 2))}" for c in truth]
    labels, errors = cf.corruptions.uniform_flips(truth, 0.1, seed=1)
    import pandas as pd

    frame = pd.DataFrame({"text": texts, "label": labels})
    options = {"text_column": "text", name: text_folder, "out": tmp_path / "run"}
    findings = cf.scan(frame, epochs=20, batch_size=16, **options)
    flagged = findings.table["flagged"].to_numpy()
    assert 2 * (flagged & errors).sum() / (flagged.sum() + errors.sum()) > 0.8
    record = RunFolder(tmp_path / "run").record
    assert record.model.name in ("LinearHead", "FeatureMLP")
    assert record.data.modality == "text"


def test_blank_texts_are_encoded_as_unknown(text_folder):
    encoder = TransformersEncoder(str(text_folder), CPU)
    encoder.present(TextData.of(["some"], Labels.of([0])))
    with torch.no_grad():
        found = encoder.encode(["", "  ", "[UNK]", "fine day"]).numpy()
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[0], found[2], atol=1e-6)
    np.testing.assert_allclose(found[1], found[2], atol=1e-6)


@pytest.mark.parametrize("mode", ["cls", "mean", "max", "lasttoken"])
def test_pooling_is_that_of_the_sentence_encoder(text_folder, tmp_path, mode):
    from transformers import AutoModel, AutoTokenizer

    place = tmp_path / "model"
    shutil.copytree(text_folder, place)
    (place / "1_Pooling").mkdir()
    key = {"cls": "cls_token", "mean": "mean_tokens", "max": "max_tokens"}.get(mode, mode)
    (place / "1_Pooling" / "config.json").write_text(json.dumps({f"pooling_mode_{key}": True}))
    modules = [{"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}]
    (place / "modules.json").write_text(json.dumps(modules))
    (place / "sentence_bert_config.json").write_text('{"max_seq_length": 3, "do_lower_case": true}')
    found = cf.encode(["a GOOD day was cold", "fine"], place)
    tokenizer, model = AutoTokenizer.from_pretrained(place), AutoModel.from_pretrained(place)
    with torch.no_grad():
        hidden = model(**tokenizer("a good day", return_tensors="pt")).last_hidden_state[0]
    wanted = {"cls": hidden[0], "mean": hidden.mean(0), "max": hidden.amax(0)}
    np.testing.assert_allclose(found[0], wanted.get(mode, hidden[-1]).numpy(), atol=1e-5)


def test_an_unknown_pooling_is_refused(text_folder, tmp_path):
    place = tmp_path / "model"
    shutil.copytree(text_folder, place)
    (place / "1_Pooling").mkdir()
    told = {"pooling_mode_weightedmean_tokens": True}
    (place / "1_Pooling" / "config.json").write_text(json.dumps(told))
    modules = [{"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"}]
    (place / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(InputError, match="pooling by cls, mean, max or last token"):
        cf.encode(["a day"], place)


def test_other_data_than_texts_are_refused(text_folder):
    data = (np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2)
    with pytest.raises(InputError, match=r"texts for the bert model.*'table'.*--text"):
        cf.scan(data, encoder=text_folder)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(InputError, match="a model of Transformers"):
        cf.encode(["a day"], tmp_path)


def test_a_missing_extra_says_how_to_install_it(text_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'chaffinch\[text\]'"):
        cf.encode(["a day"], text_folder)


def test_weights_that_the_folder_lacks_are_named(text_folder, tmp_path):
    from safetensors.torch import load_file, save_file

    place = tmp_path / "model"
    shutil.copytree(text_folder, place)
    weights = load_file(place / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "intermediate" not in name}
    save_file(kept, place / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"weights of all layers.*intermediate"):
        cf.encode(["a day"], place)


@pytest.mark.parametrize("load", [lambda place: cf.encode(["a day"], place), load_encoder])
@pytest.mark.parametrize("trap", ["pickle", "code"])
def test_no_code_in_a_folder_is_run(text_folder, tmp_path, load, trap):
    place, sprung = tmp_path / "model", tmp_path / "sprung"
    shutil.copytree(text_folder, place)
    if trap == "pickle":
        (place / "model.safetensors").unlink()
        torch.save({"weight": Trap(sprung)}, place / "pytorch_model.bin")
    else:
        (place / "trap.py").write_text(f"open({str(sprung)!r}, 'w')\n")
        config = json.loads((place / "config.json").read_text())
        config |= {
            "model_type": "trap",
            "auto_map": {"AutoConfig": "trap.C", "AutoModel": "trap.M"},
        }
        (place / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="Transformers"):
        load(place)
    assert not sprung.exists()


class Trap:
    def __init__(self, sprung):
        self.sprung = sprung

    def __reduce__(self):
        return open, (str(self.sprung), "w")
