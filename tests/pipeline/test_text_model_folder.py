import json
import sys

import numpy as np
import pytest
import text_model_case as case
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chaffinch.core.errors import InputError, MissingExtraError
from chaffinch.models.factory import is_folder, make_model
from chaffinch.models.inputs import DenseInputs
from chaffinch.models.language.classification import (
    ABSENT,
    TextModelFolder,
    check_causal,
    check_folder,
    folder_digest,
)
from chaffinch.models.layers import last_linear

pytest.importorskip("transformers")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return case.save_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def model(folder):
    return make_model(TextModelFolder(folder, 16, CPU).factory(3), seed=1).eval()


def one_by_one(model, rows):
    """The definition: no batch, no padding, float64."""
    twin = model.double()
    found = []
    with torch.no_grad():
        for row in rows:
            ids = row[row != ABSENT][None].long()
            hidden = twin.encoder(input_ids=ids).last_hidden_state[0]
            found.append(twin.head(hidden.mean(0)))
    model.float()
    return torch.stack(found)


@settings(max_examples=15, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=90),
    seed=st.integers(0, 99),
)
def test_logits_are_those_of_each_text_alone_whatever_stands_beside_it(model, lengths, seed):
    random = torch.Generator().manual_seed(seed)
    rows = torch.full((len(lengths), max(lengths)), ABSENT)
    for place, length in enumerate(lengths):
        rows[place, :length] = torch.randint(1, len(case.WORDS), (length,), generator=random)
    with torch.no_grad():
        found = model(rows)
    torch.testing.assert_close(found.double(), one_by_one(model, rows), atol=1e-5, rtol=1e-5)


def test_large_batches_come_back_in_their_order_and_small_ones_alike(model):
    random = torch.Generator().manual_seed(0)
    rows = torch.randint(1, len(case.WORDS), (150, 9), generator=random)
    rows[torch.arange(9)[None] >= torch.randint(1, 10, (150, 1), generator=random)] = ABSENT
    with torch.no_grad():
        torch.testing.assert_close(model(rows), torch.cat([model(part) for part in rows.split(5)]))


def test_the_head_is_the_last_layer_and_the_pooler_is_frozen(model):
    rows = torch.tensor([[5, 6, ABSENT], [5, 6, 7]])
    assert last_linear(model, rows) is model.head
    assert model.head.out_features == 3
    frozen = {name for name, one in model.named_parameters() if not one.requires_grad}
    assert frozen == {"encoder.pooler.dense.weight", "encoder.pooler.dense.bias"}


def test_every_model_starts_from_the_folder_with_a_head_of_its_seed(folder):
    place = TextModelFolder(folder, 16, CPU)
    first, again, other = (make_model(place.factory(2), seed) for seed in (0, 0, 1))
    for one in (first, other):
        with torch.no_grad():
            next(one.encoder.parameters()).add_(1.0)  # reaches no other model
    assert torch.equal(first.head.weight, again.head.weight)
    assert not torch.equal(first.head.weight, other.head.weight)
    fresh = make_model(TextModelFolder(folder, 16, CPU).factory(2), 0).encoder.state_dict()
    assert all(
        torch.equal(value, fresh[name]) for name, value in again.encoder.state_dict().items()
    )


def test_texts_become_rows_that_batches_cut(folder):
    place = TextModelFolder(folder, 4, CPU)
    texts = place.read(["good day", "", "the day was very cold"])
    end = ABSENT
    good, day, the, was, very = (case.WORDS.index(w) for w in ("good", "day", "the", "was", "very"))
    assert texts.tokens.tolist() == [
        [good, day, end, end],
        [1, end, end, end],  # an empty text has one unknown token
        [the, day, was, very],
    ]
    assert texts.shape == (4,)
    assert len(texts) == 3
    assert texts.batch(torch.tensor([1, 0])).tolist() == [[1, end], [good, day]]
    assert place.num_cut(texts) == 1


def test_length_ends_where_the_positions_do(folder):
    assert TextModelFolder(folder, 500, CPU).read(["good " * 100]).shape == (32,)


def test_embeddings_are_unit_means_of_the_untrained_encoder(folder):
    place = TextModelFolder(folder, 16, CPU)
    texts = place.read(["good day", "the day was very cold", "dull", "a film"])
    others = place.read(["a film was so so bad today", "good day"])
    before = torch.get_rng_state()
    found = texts.embedding()
    assert torch.equal(before, torch.get_rng_state())
    encoder = place._encoder.double()
    with torch.no_grad():
        for row, mean in zip(texts.tokens, found, strict=True):
            hidden = encoder(input_ids=row[row != ABSENT][None].long()).last_hidden_state
            expected = torch.nn.functional.normalize(hidden[0].mean(0), dim=0)
            np.testing.assert_allclose(mean, expected.numpy(), atol=1e-5)
    place._encoder.float()
    np.testing.assert_allclose(texts.embedding_of(others)[1], found[0], atol=1e-5)
    with pytest.raises(InputError, match="token numbers"):
        texts.embedding_of(DenseInputs(torch.zeros(2, 4)))


def test_large_encoders_take_smaller_steps(folder):
    place = TextModelFolder(folder, 16, CPU)
    assert place.learning_rate == 1e-4
    place._encoder.config.hidden_size = 768
    assert place.learning_rate == 3e-5


def test_folders_that_hold_no_encoder(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        check_folder(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"no config\.json there.*nothing is downloaded"):
        check_folder(tmp_path)
    config = tmp_path / "config.json"
    for content, message in (
        ("{", "no JSON with a model_type"),
        ("[]", "no JSON with a model_type"),
        ({"model_type": "llama"}, r"an encoder.*got a causal model \(llama\)"),
        ({"model_type": "vit"}, r"a model of another kind \(vit\)"),
    ):
        config.write_text(content if isinstance(content, str) else json.dumps(content))
        with pytest.raises(InputError, match=message):
            check_folder(tmp_path)
    check_causal(tmp_path)
    config.write_text(json.dumps({"model_type": "bert"}))
    check_folder(tmp_path)
    with pytest.raises(InputError, match=r"a causal model.*got an encoder \(bert\)"):
        check_causal(tmp_path)


def test_models_with_a_decoder_are_refused(tmp_path):
    from transformers import BartConfig, BartModel

    sizes = {"d_model": 8, "encoder_layers": 1, "decoder_layers": 1, "vocab_size": len(case.WORDS)}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    BartModel(BartConfig(**sizes, **heads)).save_pretrained(tmp_path)
    case.save_tokenizer(tmp_path)
    with pytest.raises(InputError, match="encoder and decoder"):
        TextModelFolder(tmp_path, 16, CPU)


def test_a_head_in_the_folder_is_left_out_without_a_word(tmp_path, caplog, capfd):
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(**case.sizes())
    BertForSequenceClassification(config).save_pretrained(tmp_path)
    case.save_tokenizer(tmp_path)
    capfd.readouterr()
    TextModelFolder(tmp_path, 16, CPU)
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_weights_that_are_missing_are_not_drawn(tmp_path):
    from transformers import BertConfig, BertModel

    shallow = BertModel(BertConfig(**case.sizes()))
    shallow.config.num_hidden_layers = 2
    shallow.save_pretrained(tmp_path)
    case.save_tokenizer(tmp_path)
    with pytest.raises(InputError, match=r"none for \d+ of them, such as encoder\.layer\.1"):
        TextModelFolder(tmp_path, 16, CPU)


def test_a_folder_without_tokenizer_or_weights(folder, tmp_path):
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    with pytest.raises(InputError):
        TextModelFolder(tmp_path, 16, CPU)


def test_the_missing_extra_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers.models.auto", None)
    with pytest.raises(MissingExtraError, match=r"chaffinch\[text\]"):
        check_folder(folder)


def test_the_digest_is_of_the_content_wherever_it_lies(folder, tmp_path):
    copy = case.save_encoder(tmp_path / "same")
    assert folder_digest(copy) == folder_digest(folder)
    assert folder_digest(case.save_encoder(tmp_path / "other", seed=1)) != folder_digest(folder)


def test_names_of_folders_and_of_functions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a:b").mkdir()
    for name in ("model", "a:b", "nowhere/at/all"):
        assert is_folder(name)
    for other in ("net.py:build", None, torch.nn.Linear(1, 1)):
        assert not is_folder(other)
