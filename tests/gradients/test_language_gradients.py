from functools import partial

import pytest
import torch
import torch.nn.functional as F
from gradient_truth import agree, check_operations
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_language import adapted, alone, bert, draw_texts, gpt2, llama, settled, transformers
from torch.utils.checkpoint import checkpoint

from chaffinch.core.errors import InputError
from chaffinch.gradients import GradientFallbackWarning, capture, squared_norms
from chaffinch.gradients.packing import Packing, Places
from chaffinch.models.language import IGNORED, MultiLabelLoss, Padded, TokenInputs, TokenLoss

LENGTHS = (7, 3, 5, 1, 6)


def is_adapter(name):
    return "lora_" in name


def responses(texts, asked=2):
    """Labels that leave out the first tokens, as a prompt; a text may have none at all."""
    hidden = [torch.full((min(asked, len(text)),), IGNORED) for text in texts]
    return [torch.cat([h, t[len(h) :]]) for h, t in zip(hidden, texts, strict=True)]


def plain_loss(outputs, labels):
    """The mean that models of Transformers compute; 0 where no token counts."""
    logits, wanted = outputs.logits[0, :-1], labels[0, 1:]
    if not bool((wanted != IGNORED).any()):
        return (logits * 0).sum()
    return F.cross_entropy(logits, wanted, ignore_index=IGNORED)


def data(texts, labels):
    return TokenInputs(Padded(tuple(texts), 0)), Padded(tuple(labels))


@pytest.mark.parametrize("make", [llama, gpt2])
def test_adapters_of_causal_models_with_padding(make):
    model, texts = make(), draw_texts(LENGTHS)
    labels = responses(texts)
    truth = alone(model, texts, labels, plain_loss, is_adapter)
    for form in ("factored", "auto", "dense"):
        block = capture(model, data(texts, labels), "lora", TokenLoss(), batch_size=3, form=form)
        assert all(is_adapter(name) for name in block)
        agree(block.dense(), truth)
    check_operations(block, truth)
    agree(squared_norms(model, data(texts, labels), "lora", TokenLoss()), truth.square().sum(1))
    assert float(truth[3].abs().sum()) == 0  # one token, none to be told
    assert float(truth[0].abs().sum()) > 0


def test_summed_loss_of_all_tokens():
    model, texts = llama(), draw_texts(LENGTHS)

    def summed(outputs, labels):
        return F.cross_entropy(outputs.logits[0, :-1], labels[0, 1:], reduction="sum")

    truth = alone(model, texts, texts, summed, is_adapter)
    block = capture(model, data(texts, texts), "lora", TokenLoss(reduction="sum"))
    agree(block.dense(), truth)


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(1, 20))
def test_packed_rows(lengths, room):
    model, texts = llama(), draw_texts(lengths)
    labels = responses(texts, 1)
    truth = alone(model, texts, labels, plain_loss, is_adapter)
    packing = Packing(model, room)
    for form in ("factored", "dense"):
        block = capture(packing, data(texts, labels), "lora", TokenLoss(), batch_size=4, form=form)
        agree(block.dense(), truth)


def test_packing_lays_samples_side_by_side():
    mask = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0]])
    places = Places.of(mask, 4)
    assert places.shape == (2, 4)
    values = torch.arange(12).view(3, 4)
    assert places.packed(values, -1).tolist() == [[0, 1, -1, -1], [4, 5, 6, 8]]
    assert places.spread(places.packed(values, -1))[mask.bool()].tolist() == [0, 1, 4, 5, 6, 8]


def test_packing_refuses_empty_rows():
    with pytest.raises(InputError, match="a token in every row"):
        Packing(llama())(torch.zeros(1, 2, dtype=torch.long), torch.zeros(1, 2))
    with pytest.raises(InputError, match="length"):
        Packing(llama(), 0)


def test_gradient_checkpointing_recomputes_and_changes_nothing():
    model, texts = llama(), draw_texts(LENGTHS)
    labels = responses(texts)
    truth = alone(model, texts, labels, plain_loss, is_adapter)
    layers = list(model.base_model.model.model.layers)
    calls = []

    def count(part, *_):
        calls.append(part.training)

    found = []
    for recompute in (False, True):
        for layer in layers:
            layer.gradient_checkpointing = recompute
            layer._gradient_checkpointing_func = partial(checkpoint, use_reentrant=False)
        calls.clear()
        handle = layers[0].self_attn.register_forward_pre_hook(count)
        block = capture(model, data(texts, labels), "lora", TokenLoss(), batch_size=5)
        handle.remove()
        agree(block.dense(), truth)
        assert not any(calls)  # in eval mode, though the block itself is not
        assert not layers[0].training
        found.append(len(calls))
    assert found[1] == 2 * found[0]


def test_classifier_of_texts_with_adapters_and_head():
    model, texts = bert("Sequence"), draw_texts(LENGTHS)
    codes = torch.tensor([0, 2, 1, 1, 0])

    def loss(outputs, target):
        return F.cross_entropy(outputs.logits, target)

    inputs = TokenInputs(Padded(tuple(texts), 0))
    block = capture(model, (inputs, codes), "lora", batch_size=2)
    agree(block.dense(), alone(model, texts, codes, loss, is_adapter))
    head = capture(model, (inputs, codes), "head", batch_size=2)
    assert {name.rpartition(".")[2] for name in head} == {"weight", "bias"}
    agree(head.dense(), alone(model, texts, codes, loss, lambda name: "classifier" in name))


def test_classifier_of_tokens():
    model, texts = bert("Token"), draw_texts(LENGTHS)
    tags = [one % 3 for one in draw_texts(LENGTHS, seed=5)]
    tags[0][2] = IGNORED

    def loss(outputs, target):
        return F.cross_entropy(outputs.logits[0], target[0], ignore_index=IGNORED)

    block = capture(model, data(texts, tags), "lora", TokenLoss(shift=False), batch_size=2)
    agree(block.dense(), alone(model, texts, tags, loss, is_adapter))


def test_several_labels():
    model, texts = bert("Sequence"), draw_texts(LENGTHS)
    labels = torch.tensor([[0, 1, 1], [1, 0, 0], [0, 0, 0], [1, 1, 1], [0, 1, 0]])

    def loss(outputs, target):
        return F.binary_cross_entropy_with_logits(outputs.logits, target.double())

    inputs = TokenInputs(Padded(tuple(texts), 0))
    block = capture(model, (inputs, labels), "lora", MultiLabelLoss(), batch_size=2)
    agree(block.dense(), alone(model, texts, labels, loss, is_adapter))


def test_dora_takes_the_fallback():
    model, texts = llama(use_dora=True), draw_texts((4, 2, 3))
    truth = alone(model, texts, texts, plain_loss, is_adapter)
    with pytest.warns(GradientFallbackWarning, match="lora_magnitude_vector"):
        block = capture(model, data(texts, texts), "lora", TokenLoss(), batch_size=2)
    agree(block.dense(), truth)


def test_last_block_of_a_model_without_adapters():
    config = transformers.GPT2Config(
        vocab_size=23, n_positions=16, n_embd=8, n_layer=3, n_head=2, use_cache=False
    )
    model, texts = settled(transformers.GPT2LMHeadModel(config)), draw_texts((4, 2))

    def inside(name):
        return ".h.2." in name

    block = capture(model, data(texts, texts), "last_block", TokenLoss())
    agree(block.dense(), alone(model, texts, texts, plain_loss, inside))


def test_whole_model_with_norm_layers_and_tied_embeddings():
    model, texts = llama().base_model.unload().requires_grad_(True), draw_texts((4, 2))
    truth = alone(model, texts, texts, plain_loss, lambda name: True)
    block = capture(model, data(texts, texts), "all", TokenLoss())
    assert any("norm" in name for name in block)
    agree(block.dense(), truth)


def test_names_of_layers_that_are_not_there():
    model = torch.nn.Sequential(torch.nn.Linear(2, 2))
    pair = torch.zeros(2, 2), torch.zeros(2, dtype=torch.long)
    for name in ("lora", "head", "last_block"):
        with pytest.raises(InputError, match="layers with trainable parameters"):
            capture(model, pair, name)


def test_a_module_of_that_name_comes_first():
    class Own(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.lora = torch.nn.Linear(2, 2)

        def forward(self, x):
            return self.lora(x)

    block = capture(Own(), (torch.ones(2, 2), torch.tensor([0, 1])), "lora")
    assert list(block) == ["lora.weight", "lora.bias"]


def test_adapters_are_only_those_of_peft():
    base = transformers.LlamaForCausalLM(llama().base_model.model.config)
    kept = adapted(base, ["q_proj"], "CAUSAL_LM")
    names = [name for name, p in kept.named_parameters() if p.requires_grad]
    assert names
    assert all(".lora_" in name for name in names)
