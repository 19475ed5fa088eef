import sys
import tempfile
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from chaffinch.core.errors import InputError, MissingExtraError, RunError
from chaffinch.gradients import capture
from chaffinch.influence import attribute
from chaffinch.influence.queries import (
    QUERY_ESTIMATORS,
    GradientTable,
    Layout,
    by_layer,
    by_token,
    collect_gradients,
    forest_influence,
    gradients_of,
    influence_of,
    nearest,
    prepare,
    sketch_rows,
    sketch_table,
)
from chaffinch.influence.queries.table import GradientWriter
from chaffinch.models.language import Padded, TokenInputs, TokenLoss

WORDS = 9


class Reader(nn.Module):
    """A causal model in small: a running mean of embeddings, and two linear layers."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.Embedding(WORDS, 5).requires_grad_(False)
        self.inner = nn.Linear(5, 6)
        self.head = nn.Linear(6, WORDS, bias=False)

    def forward(self, input_ids, attention_mask):
        count = torch.arange(1, input_ids.shape[1] + 1)[:, None]
        hidden = (self.table(input_ids) * attention_mask[..., None]).cumsum(1) / count
        return self.head(self.inner(hidden).tanh())


def texts(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.randint(2, 8, (count,), generator=generator).tolist()
    rows = tuple(torch.randint(WORDS, (size,), generator=generator) for size in sizes)
    return TokenInputs(Padded(rows, 0)), Padded(rows)


LAYERS = ["inner", "head"]


def collected(folder, count=14, dimensions=None, seed=0, **options):
    model = Reader()
    data = texts(count)
    table = collect_gradients(
        model, data, folder, LAYERS, TokenLoss(), dimensions=dimensions, batch_size=4, **options
    )
    asked = texts(3, seed=7)
    queries = gradients_of(model, asked, table.layout, LAYERS, TokenLoss(), batch_size=2)
    return model, data, asked, table, queries


def dense(table):
    return torch.cat([table.rows(name) for name in table.layout.names], 1).double()


def test_rows_are_the_gradients_in_the_order_of_the_data(tmp_path):
    model, data, asked, table, queries = collected(tmp_path)
    truth = capture(model, data, LAYERS, TokenLoss())
    for name, piece in truth.pieces.items():
        torch.testing.assert_close(table.rows(name), piece.dense())
    theirs = capture(model, asked, LAYERS, TokenLoss()).dense()
    torch.testing.assert_close(torch.cat(list(queries.values()), 1), theirs)


@pytest.mark.parametrize("estimator", ["grad_dot", "grad_cos", "datainf"])
def test_estimators_agree_with_those_in_memory(tmp_path, estimator):
    model, data, asked, table, queries = collected(tmp_path)
    solved = prepare(table, queries, estimator)
    found, layers = influence_of(table, solved), LAYERS
    if estimator == "datainf":  # in memory weight and bias are one layer, here they are two
        found, layers = table.rows("head.weight") @ solved.vectors["head.weight"].T, "head"
    truth = attribute(model, data, asked, estimator, layers=layers, loss=TokenLoss())
    torch.testing.assert_close(found, truth, rtol=2e-3, atol=1e-4 * float(truth.abs().max()))


def test_ekfac_by_texts_one_at_a_time(tmp_path):
    model, data, _asked, table, queries = collected(tmp_path)
    pairs = []
    for i in range(len(table)):
        block = capture(
            model, (data[0].take([i]), data[1].take([i])), LAYERS, TokenLoss(), form="factored"
        )
        pairs.append({name: piece for name, piece in block.pieces.items() if "bias" not in name})
    solved = prepare(table, queries, "ekfac").vectors
    for name, piece in pairs[0].items():
        inner, outer = (torch.zeros(n, n).double() for n in (piece.inputs, piece.outputs))
        for one in pairs:
            d, h = (factor[0, 0].double() for factor in one[name].factors())
            for error, seen in zip(d, h, strict=True):
                if bool((error != 0).any()):
                    inner += torch.outer(seen, seen)
                    outer += torch.outer(error, error)
        right, left = (torch.linalg.eigh(one)[1] for one in (inner, outer))
        g = table.rows(name).double().view(-1, *piece.shape)
        variances = (left.T @ g @ right).square().mean(0)
        damped = variances + 0.1 * variances.mean()
        q = queries[name].double().view(-1, *piece.shape)
        truth = left @ ((left.T @ q @ right) / damped) @ right.T
        torch.testing.assert_close(
            solved[name].double(), truth.flatten(1), rtol=5e-3, atol=1e-3 * float(truth.abs().max())
        )
    bias = table.rows("inner.bias").square().mean(0)
    truth = queries["inner.bias"] / (bias + 0.1 * bias.mean())
    torch.testing.assert_close(solved["inner.bias"], truth)


def test_cosines_in_the_metric_of_ekfac(tmp_path):
    *_, table, _queries = collected(tmp_path)
    rows = {name: table.rows(name) for name in table.layout.names}
    plain = influence_of(table, prepare(table, rows, "ekfac")).double()
    roots = plain.diagonal().sqrt()
    found = influence_of(table, prepare(table, rows, "ekfac_cos")).double()
    torch.testing.assert_close(found, plain / roots[:, None] / roots, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found.diagonal(), torch.ones(14).double(), rtol=1e-3, atol=0)


def test_datainf_by_its_closed_form(tmp_path):
    *_, table, queries = collected(tmp_path)
    solved = prepare(table, queries, "datainf").vectors
    for name, vectors in queries.items():
        g = table.rows(name).double()
        damping = 0.1 * float(g.square().sum(1).mean()) / g.shape[1]
        inverses = [
            torch.linalg.inv(torch.outer(one, one) + damping * torch.eye(g.shape[1]).double())
            for one in g
        ]
        truth = vectors.double() @ torch.stack(inverses).mean(0)
        torch.testing.assert_close(solved[name].double(), truth, rtol=1e-3, atol=1e-3)


def test_trak_is_the_kernel_of_all_layers(tmp_path):
    *_, table, queries = collected(tmp_path)
    g, q = dense(table), torch.cat(list(queries.values()), 1).double()
    ridge = 0.1 * float(g.square().sum(1).mean())
    truth = g @ torch.linalg.inv(g.T @ g + ridge * torch.eye(g.shape[1]).double()) @ q.T
    found = influence_of(table, prepare(table, queries, "trak")).double()
    torch.testing.assert_close(found, truth, rtol=1e-3, atol=1e-4)
    other = influence_of(table, prepare(table, queries, "trak", damping=5 * ridge)).double()
    assert float((other - found).abs().max()) > 1e-3


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 8), st.integers(1, 16), st.sampled_from(["grad_dot", "grad_cos", "datainf"]))
def test_search_finds_what_sorting_finds(count, wanted, estimator):
    with tempfile.TemporaryDirectory() as folder:
        *_, table, queries = collected(folder, count=count)
        prepared = prepare(table, queries, estimator)
        values = influence_of(table, prepared).T.numpy()
        for backend in ("exact", "faiss"):
            if backend == "faiss":
                pytest.importorskip("faiss")
            found = nearest(table, prepared, wanted, backend)
            assert found.rows.shape == (3, min(wanted, count))
            best = -np.sort(-values, 1)[:, : min(wanted, count)]
            scale = 1e-4 * np.abs(values).max()
            np.testing.assert_allclose(found.values, best, rtol=1e-3, atol=scale)
            chosen = np.take_along_axis(values, found.rows, 1)
            np.testing.assert_allclose(chosen, best, rtol=1e-3, atol=scale)


def test_search_in_blocks(tmp_path, monkeypatch):
    *_, table, queries = collected(tmp_path)
    prepared = prepare(table, queries, "grad_cos")
    whole = nearest(table, prepared, 5)
    monkeypatch.setattr("chaffinch.influence.queries.answer._TILE_FLOATS", 300)
    parts = nearest(table, prepared, 5)
    assert np.array_equal(whole.rows, parts.rows)
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(MissingExtraError, match=r"chaffinch\[fast\]"):
        nearest(table, prepared, 5, "faiss")
    with pytest.raises(InputError, match="exact or faiss"):
        nearest(table, prepared, 5, "magic")


def test_projections_are_the_same_from_a_pass_or_from_whole_gradients(tmp_path):
    *_, whole, queries = collected(tmp_path / "whole")
    *_, passed, sketched = collected(tmp_path / "pass", dimensions=8)
    made = sketch_table(whole, tmp_path / "made", 8)
    assert made.layout == passed.layout
    assert made.layout.widths == {"inner.weight": 8, "inner.bias": 6, "head.weight": 8}
    for name in made.layout.names:
        torch.testing.assert_close(made.rows(name), passed.rows(name))
        torch.testing.assert_close(sketch_rows(queries, made.layout)[name], sketched[name])
    with pytest.raises(InputError, match="whole gradients for ekfac"):
        prepare(made, sketched, "ekfac")


def test_projections_keep_inner_products_on_average(tmp_path):
    *_, table, queries = collected(tmp_path)
    truth = dense(table) @ torch.cat(list(queries.values()), 1).double().T
    total = torch.zeros_like(truth)
    parts = {name: table.rows(name) for name in table.layout.names}
    draws = 600
    for seed in range(draws):
        layout = Layout(table.layout.shapes, 8, seed)
        mine, theirs = sketch_rows(parts, layout), sketch_rows(queries, layout)
        total += sum(mine[name] @ theirs[name].T for name in mine)
    error = (total / draws - truth).norm() / truth.norm()
    assert float(error) < 0.15


def test_a_stopped_pass_goes_on(tmp_path, monkeypatch):
    *_, straight, _ = collected(tmp_path / "straight")
    kept = {name: straight.rows(name).clone() for name in straight.layout.names}
    monkeypatch.setattr("chaffinch.influence.queries.collect.KEEP_SECONDS", -1.0)
    calls = []

    def stopping(self, at, parts):
        calls.append(at)
        if len(calls) == 3:
            raise KeyboardInterrupt
        original(self, at, parts)

    original = GradientWriter.add
    monkeypatch.setattr(GradientWriter, "add", stopping)
    with pytest.raises(KeyboardInterrupt):
        collected(tmp_path / "stopped", key="same")
    with pytest.raises(RunError, match="8 of 14 samples"):
        GradientTable(tmp_path / "stopped")
    *_, table, _queries = collected(tmp_path / "stopped", key="same")
    assert sum(map(len, calls[3:])) == 14 - 8
    for name, rows in kept.items():
        torch.testing.assert_close(table.rows(name), rows)
    for name, value in straight.moments().items():
        torch.testing.assert_close(table.moments()[name], value)
    calls.clear()
    monkeypatch.setattr(GradientWriter, "add", original)
    *_, other, _queries = collected(tmp_path / "stopped", count=6, key="other")
    assert len(other) == 6


def test_layers_and_tokens_add_up(tmp_path):
    for dimensions in (None, 8):
        model, data, _asked, table, queries = collected(
            tmp_path / str(dimensions), dimensions=dimensions
        )
        prepared = prepare(table, queries, "grad_cos")
        values = influence_of(table, prepared)
        shares = by_layer(table, prepared, 4, 1)
        assert sum(shares.values()) == pytest.approx(float(values[4, 1]), rel=1e-4)
        one = (data[0].take([4]), data[1].take([4]))
        vectors = {name: rows[1] for name, rows in prepared.vectors.items()}
        tokens = by_token(model, one, vectors, table.layout, layers=LAYERS, loss=TokenLoss())
        weights = sum(value for name, value in shares.items() if "bias" not in name)
        scale = float(prepared.scales[4])
        assert float(tokens.sum()) * scale == pytest.approx(weights, rel=1e-3, abs=1e-5)
        assert len(tokens) == data[0].lengths[4]
        assert float(tokens[-1]) == 0  # nothing follows the last token


def test_forests_know_their_task(tmp_path):
    *_, table, _queries = collected(tmp_path)
    rows = {name: table.rows(name) for name in table.layout.names}
    tasks = ["near" if i < 7 else "far" for i in range(14)]
    found = forest_influence(table, rows, tasks, seed=1)
    again = forest_influence(table, rows, tasks, seed=1)
    assert np.array_equal(found, again)
    assert np.ptp(found[:7], axis=0).max() == 0
    with pytest.raises(InputError, match="14 tasks"):
        forest_influence(table, rows, tasks[:3])


def test_layouts_and_bad_input(tmp_path):
    *_, table, queries = collected(tmp_path, dimensions=8)
    assert Layout.from_json(table.layout.to_json()) == table.layout
    with pytest.raises(InputError, match="at least one number"):
        Layout((), 0)
    block = capture(Reader(), texts(2), "head", TokenLoss())
    with pytest.raises(InputError, match="the model and layers"):
        table.layout.compress(block)
    with pytest.raises(InputError, match="a damping above 0"):
        prepare(table, queries, "trak", damping=0.0)
    with pytest.raises(RunError, match="finished gradients"):
        GradientTable(tmp_path / "nowhere")
    assert set(QUERY_ESTIMATORS) == {
        "grad_dot",
        "grad_cos",
        "datainf",
        "ekfac",
        "ekfac_cos",
        "trak",
        "rep_cos",
    }


def test_a_full_disk_is_seen_before_the_pass(tmp_path, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10))
    with pytest.raises(InputError, match="free disk"):
        collected(tmp_path)


def resident(folder):
    """MiB of the files in a folder that are mapped and in the memory of this process."""
    total, counts = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.split()[0]:
            counts = str(folder) in line
        elif counts and line.startswith("Rss:"):
            total += int(line.split()[1])
    return total / 1024


@pytest.mark.skipif(not Path("/proc/self/smaps").is_file(), reason="needs Linux")
def test_a_table_larger_than_a_block_is_never_in_memory_as_a_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("chaffinch.influence.queries.table._BLOCK_FLOATS", 1 << 18)
    layout = Layout((("inner", (4, 1 << 14)),), None, 0)
    writer = GradientWriter(tmp_path / "table", layout, 64, "key")
    values = torch.arange(64.0)[:, None] * torch.ones(1, 1 << 16)
    writer.add(np.arange(64), {"inner": values})
    assert resident(tmp_path) > 15  # of 16
    table = writer.finish()
    assert resident(tmp_path) < 1
    read, seen = [], []
    for where, rows in table.blocks("inner"):
        assert torch.equal(rows, values[where])
        read.append(where)
        seen.append(resident(tmp_path))
    assert len(read) == 16
    assert max(seen) < 4
