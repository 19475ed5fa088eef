import json
import shutil
import sys

import numpy as np
import pytest
import torch

import chaffinch as cf
from chaffinch.core.errors import InputError, MissingExtraError
from chaffinch.models.language.loading import load_encoder
from chaffinch.models.sentence import SentenceEncoder
from chaffinch.store.run import RunFolder

CPU = torch.device("cpu")
WORDS = ["the", "a", "day", "was", "good", "fine", "lovely", "warm"]
WORDS += ["bad", "awful", "cold", "dull", "and", "number"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny BERT with random weights and a vocabulary of a few words."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    place = tmp_path_factory.mktemp("encoder")
    vocabulary = ["[PAD]", "[UNK]", *WORDS]
    tokens = {word: number for number, word in enumerate(vocabulary)}
    tokenizer = Tokenizer(WordLevel(tokens, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=64
    )
    fast.save_pretrained(place)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = BertConfig(vocab_size=len(vocabulary), intermediate_size=16, **sizes)
    BertModel(config).save_pretrained(place)
    return place


def test_embeddings_are_means_of_token_outputs_whatever_the_batch(folder):
    from transformers import AutoModel, AutoTokenizer

    texts = [
        "a good day",
        "the day was cold and dull and the number was bad",
        "fine",
        "lovely number",
    ] * 30
    found = SentenceEncoder(folder, CPU).encode(texts)
    assert found.shape == (120, 16)
    assert np.abs(found[0] - found[1]).max() > 0.01
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).double().eval()
    for row, text in enumerate(texts[:4]):
        with torch.no_grad():  # one at a time: no padding at all
            hidden = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        mean = hidden.mean(0)
        expected = (mean / mean.norm()).numpy()
        np.testing.assert_allclose(found[row], expected, atol=1e-5)
        np.testing.assert_allclose(found[row + 116], expected, atol=1e-5)


def test_a_scan_of_embedded_texts_finds_flips(folder, tmp_path):
    random = np.random.default_rng(0)
    truth = np.arange(200) % 2
    moods = (WORDS[4:8], WORDS[8:12])
    texts = [f"the day was {' and '.join(random.choice(moods[c], 2))}" for c in truth]
    labels, errors = cf.corruptions.uniform_flips(truth, 0.1, seed=1)
    import pandas as pd

    frame = pd.DataFrame({"text": texts, "label": labels})
    options = {"text_column": "text", "embedder": folder, "out": tmp_path / "run"}
    findings = cf.scan(frame, epochs=20, batch_size=16, **options)
    flagged = findings.table["flagged"].to_numpy()
    assert 2 * (flagged & errors).sum() / (flagged.sum() + errors.sum()) > 0.8
    record = RunFolder(tmp_path / "run").record
    assert record.model.name == "MLP"
    assert record.data.modality == "text"


def test_blank_texts_are_embedded_as_unknown(folder):
    found = SentenceEncoder(folder, CPU).encode(["", "  ", "[UNK]", "fine day"])
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[0], found[2], atol=1e-6)
    np.testing.assert_allclose(found[1], found[2], atol=1e-6)


def test_other_data_than_texts_are_refused(folder):
    data = (np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2)
    with pytest.raises(InputError, match=r"texts to embed; got data of modality 'table'"):
        cf.scan(data, embedder=folder)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(InputError, match="Transformers encoder"):
        SentenceEncoder(tmp_path, CPU)
    with pytest.raises(InputError, match=r"folder with an encoder.*--embedder"):
        SentenceEncoder(tmp_path / "nothing", CPU)


def test_a_missing_extra_says_how_to_install_it(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'chaffinch\[text\]'"):
        SentenceEncoder(folder, CPU)


@pytest.mark.parametrize("load", [lambda place: SentenceEncoder(place, CPU), load_encoder])
@pytest.mark.parametrize("trap", ["pickle", "code"])
def test_no_code_in_a_folder_is_run(folder, tmp_path, load, trap):
    place, sprung = tmp_path / "model", tmp_path / "sprung"
    shutil.copytree(folder, place)
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
