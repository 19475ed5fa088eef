import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from benchmarks.experiments.retraining import Repair, Retrainer, most_suspicious, reported
from chaffinch.core.labels import Labels
from chaffinch.data import TensorData
from chaffinch.models.inputs import DenseInputs
from chaffinch.pipeline.encode import Encoded
from chaffinch.pipeline.work import Work
from chaffinch.training.schedule import Schedule


@pytest.fixture
def retrainer(tmp_path):
    random = np.random.default_rng(0)
    codes = np.arange(12) % 3
    inputs = DenseInputs(torch.from_numpy(random.normal(size=(12, 4))))
    work = Work(
        TensorData.of(torch.arange(12)[:, None], Labels(codes, np.arange(3))),
        Encoded(inputs, None, (), "array"),
        lambda: nn.Linear(4, 3).double(),
        Schedule(3, 4, 0.1, 0.0, optimizer="sgd", rates="constant"),
        0,
        torch.device("cpu"),
        0,
        tmp_path,
    )
    test = DenseInputs(torch.from_numpy(random.normal(size=(600, 4))))
    return Retrainer(work, (test, np.arange(600) % 3))


def slow_accuracies(retrainer, rows, codes, weights, seed):
    """The same training written down step by step."""
    torch.manual_seed(seed)
    model = nn.Linear(4, 3).double()
    inputs, (test, truth) = retrainer.work.encoded.inputs.tensor, retrainer.test
    found = []
    for _ in range(3):
        order = rows[torch.randperm(len(rows))]
        for chunk in torch.tensor_split(order, 3):  # three steps, however many rows
            losses = F.cross_entropy(model(inputs[chunk]), codes[chunk], reduction="none")
            gradients = torch.autograd.grad((weights[chunk] * losses).mean(), model.parameters())
            with torch.no_grad():
                for parameter, gradient in zip(model.parameters(), gradients, strict=True):
                    parameter -= 0.1 * gradient
        found.append(float((model(test.tensor).argmax(1).numpy() == truth).mean()))
    return found


@pytest.mark.parametrize("kind", ["trim", "relabel", "reweight"])
def test_training_again_is_as_written_down(retrainer, kind):
    given = torch.arange(12) % 3
    kept, codes, weights = np.ones(12, dtype=bool), None, None
    if kind == "trim":
        kept[[1, 5, 6, 7]] = False
    if kind == "relabel":
        codes = np.roll(given.numpy(), 1)
    if kind == "reweight":
        weights = np.linspace(0.2, 3, 12)
    scaled = torch.ones(12) if weights is None else torch.from_numpy(weights / weights.mean())
    with torch.random.fork_rng():
        expected = slow_accuracies(
            retrainer,
            torch.from_numpy(np.flatnonzero(kept)),
            given if codes is None else torch.from_numpy(codes),
            scaled,
            seed=3,
        )
    assert retrainer.accuracies(Repair(kept, codes, weights), 3) == expected
    assert retrainer.last(np.flatnonzero(kept), codes, weights, 3) == expected[-1]


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=40),
    st.floats(0, 1),
    st.integers(0, 5),
)
def test_nothing_left_out_is_more_suspicious_than_what_is_chosen(scores, share, seed):
    scores = np.asarray(scores, dtype=float)
    chosen = most_suspicious(scores, share, seed)
    assert chosen.sum() == round(share * len(scores))
    if 0 < chosen.sum() < len(scores):
        assert scores[chosen].min() >= scores[~chosen].max()


def test_ties_are_drawn_and_not_taken_in_order():
    drawn = {tuple(np.flatnonzero(most_suspicious(np.zeros(20), 0.25, seed))) for seed in range(5)}
    assert len(drawn) > 1
    assert (0, 1, 2, 3, 4) not in drawn


def test_the_protocol_decides_which_accuracy_is_reported():
    curve = [0.2, 0.9, 0.6]
    for protocol, expected in (("paper", 0.9), ("corrected", 0.6)):
        first, second = reported("a", curve, protocol, "trim", 0.1)
        assert (first.metric, first.value, first.group, first.x) == (
            "accuracy",
            expected,
            "trim",
            0.1,
        )
        assert (second.metric, second.value) == ("accuracy_best_epoch", 0.9)
