import sys
import warnings

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from chaffinch.core.errors import InputError, MissingExtraError
from chaffinch.models.language import (
    IGNORED,
    TASKS,
    MultiLabelLoss,
    Padded,
    TokenLoss,
    add_lora,
    encode_pairs,
    encode_texts,
    encode_words,
    load_language_model,
)

transformers = pytest.importorskip("transformers")
pytest.importorskip("peft")
WORDS = ["the", "a", "red", "blue", "cat", "dog", "runs", "sleeps"]


def tokenizer(**options):
    from tokenizers import Tokenizer, models, pre_tokenizers

    known = {word: number for number, word in enumerate(["<pad>", "<eos>", "<unk>", *WORDS])}
    inner = Tokenizer(models.WordLevel(known, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    tokens = {"pad_token": "<pad>", "eos_token": "<eos>", "unk_token": "<unk>", **options}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=inner, **tokens)


def config(kind="Llama", **options):
    sizes = {"vocab_size": 11, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
    return getattr(transformers, f"{kind}Config")(
        intermediate_size=8, max_position_embeddings=32, pad_token_id=0, **sizes, **options
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    transformers.LlamaForCausalLM(config()).save_pretrained(folder / "causal")
    transformers.BertForSequenceClassification(config("Bert")).save_pretrained(folder / "bert")
    for name in ("causal", "bert"):
        tokenizer().save_pretrained(folder / name)
    return folder


def test_pairs_hide_the_prompt():
    inputs, labels = encode_pairs(tokenizer(), ["the cat", "a"], ["runs", "red dog"])
    assert [row.tolist() for row in inputs.tokens.rows] == [[3, 7, 9, 1], [4, 5, 8, 1]]
    assert [row.tolist() for row in labels.rows] == [[-100, -100, 9, 1], [-100, 5, 8, 1]]
    whole = encode_pairs(tokenizer(), ["the cat"], ["runs"], count_prompt=True)[1]
    assert whole.rows[0].tolist() == [3, 7, 9, 1]


def test_long_pairs_lose_the_beginning_of_the_prompt():
    inputs, labels = encode_pairs(tokenizer(), ["the red cat"], ["runs"], length=4)
    assert inputs.tokens.rows[0].tolist() == [5, 7, 9, 1]
    assert labels.rows[0].tolist() == [-100, -100, 9, 1]
    inputs, labels = encode_pairs(tokenizer(), ["the red cat"], ["runs a dog"], length=3)
    assert inputs.tokens.rows[0].tolist() == [7, 9, 4]
    assert labels.rows[0].tolist() == [-100, 9, 4]


def test_empty_data_and_lengths_that_do_not_fit():
    inputs, labels = encode_pairs(tokenizer(), [], [])
    assert len(inputs) == len(labels) == len(encode_texts(tokenizer(), [])) == 0
    for prompts, length in ((["a", "b"], 8), (["a"], 1)):
        with pytest.raises(InputError, match="as many responses as prompts"):
            encode_pairs(tokenizer(), prompts, ["a"], length)


def test_batches_are_as_long_as_their_longest_text():
    inputs, labels = encode_pairs(tokenizer(), ["the cat", "a", "a red cat"], ["runs", "a", "a"])
    batch = inputs.batch(torch.tensor([1, 0]))
    assert batch["input_ids"].tolist() == [[4, 4, 1, 0], [3, 7, 9, 1]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
    assert labels.batch(torch.tensor([1, 0]))[0].tolist() == [-100, 4, 1, -100]
    assert inputs.take([2, 1]).lengths == [5, 3]


def test_words_with_tags():
    words, tags = [["red", "cat"], ["a", "dog", "runs"]], [[0, 1], [2, 3, 4]]
    inputs, labels = encode_words(tokenizer(), words, tags, length=2)
    assert inputs.lengths == [2, 2]
    assert [row.tolist() for row in labels.rows] == [[0, 1], [2, 3]]
    with pytest.raises(InputError, match="1 for 2 words in sample 1"):
        encode_words(tokenizer(), [["a"], ["a", "cat"]], [[1], [1]])


def test_only_the_first_token_of_a_word_is_tagged():
    inner = tokenizer().backend_tokenizer
    from tokenizers import pre_tokenizers

    inner.pre_tokenizer = pre_tokenizers.Split("-", "isolated")
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", unk_token="<unk>"
    )
    labels = encode_words(fast, [["red-cat", "dog"]], [[5, 6]])[1]
    assert labels.rows[0].tolist() == [5, IGNORED, IGNORED, 6]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.booleans(), st.sampled_from(["mean", "sum"]))
def test_token_loss_text_by_text(count, length, shift, reduction):
    generator = torch.Generator().manual_seed(count * 10 + length)
    logits = torch.randn(count, length, 4, generator=generator, dtype=torch.float64)
    labels = torch.randint(4, (count, length + 1), generator=generator)
    labels[torch.rand(labels.shape, generator=generator) < 0.4] = IGNORED
    labels[:, length:] = IGNORED
    loss = TokenLoss(shift, reduction)
    found = loss(logits, labels)
    for i in range(count):
        terms = []
        for t in range(length):
            told = t + 1 if shift else t
            if told < length and int(labels[i, told]) != IGNORED:
                terms.append(-float(F.log_softmax(logits[i, t], 0)[labels[i, told]]))
        total = sum(terms) / (max(1, len(terms)) if reduction == "mean" else 1)
        assert float(found[i]) == pytest.approx(total, abs=1e-12)
    torch.testing.assert_close(
        loss.by_token(logits, labels).sum(1), TokenLoss(shift, "sum")(logits, labels)
    )


def test_losses_refuse_other_shapes():
    with pytest.raises(InputError, match="one a token"):
        TokenLoss()(torch.zeros(2, 3), torch.zeros(2, 3, dtype=torch.long))
    with pytest.raises(InputError, match="labels for"):
        TokenLoss()(torch.zeros(2, 3, 4), torch.zeros(2, 2, dtype=torch.long))
    with pytest.raises(InputError, match="one a class"):
        MultiLabelLoss()(torch.zeros(2, 3), torch.zeros(2))


def test_half_precision_is_widened():
    logits = torch.randn(2, 3, 4).bfloat16()
    labels = torch.tensor([[0, 1, 2], [3, 2, 1]])
    assert TokenLoss()(logits, labels).dtype == torch.float32
    assert MultiLabelLoss("sum")(logits[:, 0], labels[:, :1].expand(-1, 4)).dtype == torch.float32


def test_loading_a_folder(place):
    model = load_language_model(place / "causal", length=6)
    assert (model.task, model.layers, model.length) == (TASKS["causal"], "last_block", 6)
    inputs, labels = model.pairs(["the cat"], ["runs"])
    outputs = model.model(**inputs.batch(torch.arange(1)))
    ours = model.loss(outputs, labels.batch(torch.arange(1)))
    theirs = model.model(**inputs.batch(torch.arange(1)), labels=labels.batch(torch.arange(1))).loss
    torch.testing.assert_close(ours[0], theirs)


def test_adapters_are_kept_and_loaded(place, tmp_path):
    made = add_lora(load_language_model(place / "causal"), ["q_proj"], 2, seed=3, lora_alpha=4)
    again = add_lora(load_language_model(place / "causal"), ["q_proj"], 2, seed=3, lora_alpha=4)
    trained = [name for name, p in made.model.named_parameters() if p.requires_grad]
    assert trained
    assert all("lora_" in name for name in trained)
    assert made.layers == "lora"
    with torch.no_grad():
        for name, parameter in made.model.named_parameters():
            if "lora_B" in name:
                parameter.fill_(0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made.model.save_pretrained(tmp_path / "lora")
    loaded = load_language_model(place / "causal", tmp_path / "lora")
    batch = loaded.pairs(["the cat"], ["runs"])[0].batch(torch.arange(1))
    torch.testing.assert_close(loaded.model(**batch).logits, made.model(**batch).logits)
    assert not torch.equal(again.model(**batch).logits, made.model(**batch).logits)
    assert [n for n, p in loaded.model.named_parameters() if p.requires_grad] == trained


def test_classifiers(place):
    model = load_language_model(place / "bert", task="classification", classes=4)
    assert model.layers == "head"
    assert model.loss is None
    inputs, codes = model.texts(["the cat", "a"], [3, 0])
    assert model.model(**inputs.batch(torch.arange(2))).logits.shape == (2, 4)
    assert codes.tolist() == [3, 0]
    several = load_language_model(place / "bert", task="multilabel", classes=3)
    assert several.model.config.problem_type == "multi_label_classification"
    tags = load_language_model(place / "bert", task="tokens", classes=3)
    assert tags.model(**inputs.batch(torch.arange(2))).logits.shape == (2, 2, 3)


def test_a_tokenizer_without_padding(place, tmp_path):
    transformers.LlamaForCausalLM(config()).save_pretrained(tmp_path)
    tokenizer(pad_token=None).save_pretrained(tmp_path)
    model = load_language_model(tmp_path)
    assert model.tokenizer.pad_token == "<eos>"


def test_texts_are_no_longer_than_the_model_has_positions(place):
    model = load_language_model(place / "causal", length=512)
    data = model.pairs(["the red cat " * 30], ["runs " * 40])
    assert len(data[0].tokens.rows[0]) == 32
    assert load_language_model(place / "causal", length=9).length == 9


def test_a_folder_without_a_tokenizer(tmp_path):
    sizes = {"vocab_size": 11, "n_embd": 8, "n_layer": 1, "n_head": 2, "n_positions": 16}
    transformers.GPT2LMHeadModel(
        transformers.GPT2Config(**sizes, bos_token_id=1, eos_token_id=1)
    ).save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"a tokenizer in .*; got one without words"):
        load_language_model(tmp_path)


def test_what_cannot_be_loaded(place, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="Known: causal"):
        load_language_model(place / "causal", task="poetry")
    with pytest.raises(InputError, match="no config"):
        load_language_model(tmp_path)
    (tmp_path / "a.gguf").write_bytes(b"not a model")
    with pytest.raises(InputError, match="a causal model of Transformers"):
        load_language_model(tmp_path)
    with pytest.raises(InputError, match="a causal model of Transformers"):
        load_language_model(tmp_path / "a.gguf")
    with pytest.raises(InputError, match="no adapter_config"):
        load_language_model(place / "causal", place / "causal")
    with pytest.raises(InputError, match="layers named no_such"):
        add_lora(load_language_model(place / "causal"), ["no_such"])
    with pytest.raises(InputError, match="a device that this machine has; got 'gpu'"):
        load_language_model(place / "causal", device="gpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="no GPU"):
        load_language_model(place / "causal", quantised="8bit")
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingExtraError, match=r"chaffinch\[text\]"):
        add_lora(load_language_model(place / "causal"), ["q_proj"])
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(MissingExtraError, match=r"chaffinch\[text\]"):
        load_language_model(place / "causal")


def test_rows_are_kept_as_they_are():
    rows = (torch.tensor([1, 2]), torch.tensor([3]))
    assert Padded(rows, 9).batch(torch.tensor([1, 0])).tolist() == [[3, 9], [1, 2]]
    assert [row.tolist() for row in Padded(rows).take([1]).rows] == [[3]]


def test_no_progress_is_shown_where_nobody_watches(place, capsys, monkeypatch):
    load = transformers.AutoModelForCausalLM.from_pretrained

    def talk(*given, **options):
        sys.stderr.write("unpacking: 50%")
        return load(*given, **options)

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", talk)
    load_language_model(place / "causal")
    assert "unpacking" not in capsys.readouterr().err
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    load_language_model(place / "causal")
    assert "unpacking: 50%" in capsys.readouterr().err
