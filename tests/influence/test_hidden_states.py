import numpy as np
import pytest
import torch
from torch import nn

from chaffinch.core.errors import InputError
from chaffinch.influence.queries import (
    QUERY_ESTIMATORS,
    GradientTable,
    blocks_of,
    by_layer,
    collect_states,
    influence_of,
    nearest,
    prepare,
    states_of,
)
from chaffinch.models.language import Padded, TokenInputs

WORDS, WIDTH = 9, 5


class Block(nn.Module):
    """Looks at what came before, as a causal block does; gives a tuple where asked to."""

    def __init__(self, inside_tuple):
        super().__init__()
        self.linear, self.inside_tuple = nn.Linear(WIDTH, WIDTH), inside_tuple

    def forward(self, hidden, mask):
        seen = (hidden * mask[..., None]).cumsum(1) / mask.cumsum(1).clamp(min=1)[..., None]
        output = hidden + self.linear(seen).tanh()
        return (output, None) if self.inside_tuple else output


class Reader(nn.Module):
    def __init__(self, depth=8):
        super().__init__()
        torch.manual_seed(0)
        self.table, self.dropout = nn.Embedding(WORDS, WIDTH), nn.Dropout(0.5)
        self.blocks = nn.ModuleList(Block(i % 2 == 1) for i in range(depth))
        self.others = nn.ModuleList(nn.Linear(1, 1) for _ in range(depth - 1))

    def outputs(self, ids, mask):
        hidden, found = self.dropout(self.table(ids)), []
        for block in self.blocks:
            hidden = block(hidden, mask)
            hidden = hidden[0] if isinstance(hidden, tuple) else hidden
            found.append(hidden)
        return found

    def forward(self, input_ids, attention_mask):
        return self.outputs(input_ids, attention_mask.float())[-1]


class FromTheLeft(TokenInputs):
    """Texts whose padding stands before them."""

    def batch(self, index):
        found = super().batch(index)
        shifts = (found["attention_mask"] == 0).sum(1).tolist()
        return {
            name: torch.stack([r.roll(n) for r, n in zip(rows, shifts, strict=True)])
            for name, rows in found.items()
        }

    def take(self, index):
        return FromTheLeft(self.tokens.take(index))


def texts(count, seed=0, kind=TokenInputs):
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.randint(2, 8, (count,), generator=generator).tolist()
    rows = tuple(torch.randint(WORDS, (size,), generator=generator) for size in sizes)
    return kind(Padded(rows, 0)), Padded(rows)


def slowly(model, data, places):
    """States of one text at a time, without padding: mean over tokens beside the last token."""
    rows = []
    for ids in data[0].tokens.rows:
        with torch.no_grad():
            found = model.eval().outputs(ids[None], torch.ones(1, len(ids)))
        rows.append([torch.cat([found[i][0].mean(0), found[i][0, -1]]) for i in places])
    return [torch.stack(one) for one in zip(*rows, strict=True)]


def standard_cosines(train, asked):
    """Sample by sample, in float64 and without any of the table's algebra."""
    train, asked = (torch.cat(one, 1).double().numpy() for one in (train, asked))
    mean, deviation = train.mean(0), train.std(0)
    values = np.zeros((len(train), len(asked)))
    for i, one in enumerate(train):
        for j, other in enumerate(asked):
            a, b = (one - mean) / deviation, (other - mean) / deviation
            values[i, j] = a @ b / np.sqrt((a @ a) * (b @ b))
    return values


@pytest.mark.parametrize("kind", [TokenInputs, FromTheLeft])
def test_rows_are_the_states_of_texts_one_at_a_time(tmp_path, kind):
    model, data, asked = Reader().train(), texts(13, kind=kind), texts(3, 7, kind)
    table = collect_states(model, data, tmp_path, batch_size=4)
    assert model.training
    assert table.layout.names == tuple(f"blocks.{i}" for i in (2, 3, 4, 5))
    truth = slowly(Reader(), data, range(2, 6))
    for name, rows in zip(table.layout.names, truth, strict=True):
        torch.testing.assert_close(table.rows(name), rows)
    queries = states_of(model, asked, table.layout, batch_size=2)
    for found, rows in zip(queries.values(), slowly(Reader(), asked, range(2, 6)), strict=True):
        torch.testing.assert_close(found, rows)


def case(tmp_path, count=13):
    model, data, asked = Reader(), texts(count), texts(3, 7)
    table = collect_states(model, data, tmp_path, batch_size=4)
    prepared = prepare(table, states_of(model, asked, table.layout), "rep_cos")
    truth = standard_cosines(*(slowly(model, one, range(2, 6)) for one in (data, asked)))
    return table, prepared, torch.from_numpy(truth).float()


def test_cosines_by_pairs_one_at_a_time(tmp_path):
    table, prepared, truth = case(tmp_path)
    found = influence_of(table, prepared)
    torch.testing.assert_close(found, truth, rtol=1e-4, atol=1e-5)
    assert QUERY_ESTIMATORS["rep_cos"].evidence == "states"
    shares = by_layer(table, prepared, 4, 1)
    assert list(shares) == list(table.layout.names)
    assert sum(shares.values()) == pytest.approx(float(truth[4, 1]), abs=1e-5)


@pytest.mark.parametrize("backend", ["exact", "faiss"])
def test_the_nearest_are_those_with_the_largest_cosine(tmp_path, backend):
    if backend == "faiss":
        pytest.importorskip("faiss")
    table, prepared, truth = case(tmp_path)
    found = nearest(table, prepared, 4, backend)
    values, rows = truth.T.topk(4, dim=1)
    np.testing.assert_array_equal(found.rows, rows.numpy())
    np.testing.assert_allclose(found.values, values.numpy(), rtol=1e-4, atol=1e-5)


def test_a_number_that_does_not_vary_has_no_weight(tmp_path):
    model = Reader()
    with torch.no_grad():
        model.table.weight[:, 0] = 3e4  # large, and the same in every text up to rounding
        for block in model.blocks:
            block.linear.weight[0], block.linear.bias[0] = 0, 0
    data, asked = texts(13), texts(3, 7)
    table = collect_states(model, data, tmp_path, batch_size=4)
    prepared = prepare(table, states_of(model, asked, table.layout), "rep_cos")
    places = [i for i in range(2 * WIDTH) if i % WIDTH]
    cut = ([rows[:, places] for rows in slowly(model, one, range(2, 6))] for one in (data, asked))
    truth = torch.from_numpy(standard_cosines(*cut)).float()
    torch.testing.assert_close(influence_of(table, prepared), truth, rtol=1e-3, atol=1e-4)
    alone = collect_states(model, texts(1), tmp_path / "one")
    found = influence_of(alone, prepare(alone, states_of(model, asked, alone.layout), "rep_cos"))
    assert found.tolist() == [[0, 0, 0]]


def test_a_stopped_pass_goes_on(tmp_path, monkeypatch):
    model, data = Reader(), texts(13)
    whole = collect_states(model, data, tmp_path / "whole", batch_size=4)
    monkeypatch.setattr("chaffinch.influence.queries.states.KEEP_SECONDS", -1.0)
    read, stop = [], 8
    forward = Reader.forward

    def counting(self, input_ids, attention_mask):
        if sum(read) >= stop:
            raise KeyboardInterrupt
        read.append(len(input_ids))
        return forward(self, input_ids, attention_mask)

    monkeypatch.setattr(Reader, "forward", counting)
    with pytest.raises(KeyboardInterrupt):
        collect_states(model, data, tmp_path / "part", batch_size=4)
    already, stop = sum(read), 100
    table = collect_states(model, data, tmp_path / "part", batch_size=4)
    assert sum(read) - already < 13
    for name in whole.layout.names:
        torch.testing.assert_close(table.rows(name), whole.rows(name))
    assert len(GradientTable(tmp_path / "part")) == 13


def test_which_blocks(tmp_path):
    assert blocks_of(Reader(1)) == ("blocks.0",)
    assert blocks_of(Reader(2)) == ("blocks.0",)
    assert blocks_of(Reader(5)) == ("blocks.1", "blocks.2")
    assert blocks_of(Reader(12), "*.1?") == ("blocks.10", "blocks.11")
    assert blocks_of(nn.ModuleList([nn.Linear(1, 1)])) == ("0",)
    with pytest.raises(InputError, match=r"Its blocks: blocks\.0 to blocks\.7"):
        blocks_of(Reader(), "layers.1")
    with pytest.raises(InputError, match="a model with a list of blocks"):
        blocks_of(nn.Linear(1, 1))


def test_blocks_and_data_that_will_not_do(tmp_path):
    model = Reader()
    with pytest.raises(InputError, match=r"names of blocks.*\n?.*blocks\.9"):
        collect_states(model, texts(3), tmp_path / "a", ["blocks.9"])
    with pytest.raises(InputError, match="blocks that the model passes"):
        collect_states(model, texts(3), tmp_path / "b", ["others.0"])
    with pytest.raises(InputError, match="at least one sample"):
        collect_states(model, texts(0), tmp_path / "c")
    model.blocks[2].forward = lambda hidden, mask: hidden[:, 0]
    with pytest.raises(InputError, match=r"whose output is \(B, T, D\)"):
        collect_states(model, texts(3), tmp_path / "d", ["blocks.2"])
    assert not model.blocks[2]._forward_hooks
    table = collect_states(Reader(), texts(3), tmp_path / "e")
    empty = states_of(Reader(), texts(0), table.layout)
    assert {tuple(one.shape) for one in empty.values()} == {(0, 2 * WIDTH)}


def test_plain_tensors_have_no_padding(tmp_path):
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList([nn.Linear(3, 4)])

        def forward(self, x):
            return self.blocks[0](x)

    model, x = Plain(), torch.randn(6, 5, 3)
    table = collect_states(model, (x, torch.zeros(6)), tmp_path, batch_size=4)
    hidden = model(x).detach()
    torch.testing.assert_close(
        table.rows("blocks.0"), torch.cat([hidden.mean(1), hidden[:, -1]], 1)
    )
