"""Every loss against its definition in loops, for all reductions, weights and kinds of labels."""

import math

import loss_twin as slow
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from chaffinch import losses
from chaffinch.core.errors import InputError

NAMES = sorted(slow.CASES)
SHAPES = st.tuples(st.integers(1, 6), st.integers(2, 5))
SEEDS = st.integers(0, 10_000)


def draw(shape, seed, soft):
    random = np.random.default_rng(seed)
    logits = torch.from_numpy(random.normal(size=shape) * 2.0 * random.choice([0.1, 1, 10]))
    if soft:
        target = torch.from_numpy(random.dirichlet(np.ones(shape[1]), shape[0]))
    else:
        target = torch.from_numpy(random.integers(0, shape[1], shape[0]))
    ids = torch.from_numpy(random.integers(0, slow.NUM_IDS, shape[0]))
    weight = torch.from_numpy(random.random(shape[1]) + 0.1)
    return logits, target, ids, weight


def reduce_slowly(values, counts, reduction):
    if reduction == "none":
        return values
    total = math.fsum(values)
    return total / math.fsum(counts) if reduction == "mean" else total


def slow_loss(twin, batch, codes, weight, reduction):
    rows = range(len(batch.rows))
    if codes is not None:
        counts = [weight[k] for k in codes]
        values = [weight[k] * twin(batch, i, k) for i, k in zip(rows, codes, strict=True)]
        return reduce_slowly(values, counts, reduction)
    values = [
        math.fsum(t * weight[k] * twin(batch, i, k) for k, t in enumerate(batch.labels[i]))
        for i in rows
    ]
    return reduce_slowly(values, [1.0 for _ in rows], reduction)


def slow_batch(logits, target, ids):
    labels = target if target.is_floating_point() else F.one_hot(target, logits.shape[1])
    return slow.SlowBatch(logits.tolist(), labels.tolist(), ids.tolist())


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40)
@given(
    shape=SHAPES,
    seed=SEEDS,
    soft=st.booleans(),
    weighted=st.booleans(),
    reduction=st.sampled_from(["none", "mean", "sum"]),
)
def test_the_loss_is_its_definition(name, shape, seed, soft, weighted, reduction):
    logits, target, ids, weight = draw(shape, seed, soft)
    make, twin = slow.CASES[name]
    loss = make(shape[1], reduction=reduction, weight=weight if weighted else None).eval()
    weights = weight.tolist() if weighted else [1.0] * shape[1]
    codes = None if soft else target.tolist()
    wanted = slow_loss(twin, slow_batch(logits, target, ids), codes, weights, reduction)
    np.testing.assert_allclose(loss(logits, target, ids), wanted, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"active_passive"}))
def test_one_class_and_one_sample(name):
    logits, ids = torch.tensor([[1.5]], dtype=torch.float64), torch.tensor([3])
    make, twin = slow.CASES[name]
    target = torch.tensor([0])
    wanted = twin(slow_batch(logits, target, ids), 0, 0)
    assert float(make(1).eval()(logits, target, ids)) == pytest.approx(wanted, abs=1e-12)


def test_a_ratio_needs_two_classes():
    with pytest.raises(InputError, match="two classes at least"):
        losses.ActivePassive()(torch.zeros(3, 1), torch.zeros(3, dtype=torch.long))


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_batch_is_as_in_torch(name):
    logits = torch.zeros(0, 3, dtype=torch.float64, requires_grad=True)
    target, ids = torch.zeros(0, dtype=torch.long), torch.zeros(0, dtype=torch.long)
    make, _ = slow.CASES[name]
    for training in (True, False):
        got = {
            r: make(3, reduction=r).train(training)(logits, target, ids) for r in ("sum", "none")
        }
        assert got["sum"].item() == 0
        assert got["none"].shape == (0,)
        assert make(3).train(training)(logits, target, ids).isnan()


@settings(max_examples=60)
@given(shape=SHAPES, seed=SEEDS, soft=st.booleans(), weighted=st.booleans())
def test_cross_entropy_is_that_of_torch(shape, seed, soft, weighted):
    logits, target, _, weight = draw(shape, seed, soft)
    options = {"weight": weight} if weighted else {}
    for reduction in ("none", "mean", "sum"):
        wanted = F.cross_entropy(logits, target, reduction=reduction, **options)
        got = losses.CrossEntropy(reduction=reduction, **options)(logits, target)
        torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize("rate", [0.8, 0.1, 0.0])
def test_positive_smoothing_is_that_of_torch(rate):
    logits, target, _, _ = draw((6, 4), 0, soft=False)
    wanted = F.cross_entropy(logits, target, label_smoothing=rate)
    torch.testing.assert_close(losses.LabelSmoothing(rate)(logits, target), wanted)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("name", NAMES)
def test_a_code_is_the_soft_label_that_is_sure(name, reduction):
    logits, target, ids, _ = draw((6, 4), 1, soft=False)
    loss = slow.CASES[name][0](4, reduction=reduction).eval()
    sure = F.one_hot(target, 4).double()
    torch.testing.assert_close(loss(logits, sure, ids), loss(logits, target, ids))


LIMITS = {
    "blurry": lambda: losses.Blurry(0),
    "piecewise_zero": lambda: losses.PiecewiseZero(0),
    "generalized_cross_entropy": lambda: losses.GeneralizedCrossEntropy(0),
    "generalized_cross_entropy_near": lambda: losses.GeneralizedCrossEntropy(1e-9),
    "symmetric_cross_entropy": lambda: losses.SymmetricCrossEntropy(1, 0),
    "bi_tempered": lambda: losses.BiTempered(1, 1),
    "bi_tempered_near": lambda: losses.BiTempered(1 - 1e-9, 1 + 1e-9),
    "early_learning": lambda: losses.EarlyLearningRegularization(6, 4, strength=0),
    "cores2": lambda: losses.CORES2(0, 0, None, warm_up=0),
    "label_smoothing": lambda: losses.LabelSmoothing(0),
    "peer": lambda: losses.Peer(0, 0),
    "forward_correction": lambda: losses.ForwardCorrection(torch.eye(4).double()),
    "backward_correction": lambda: losses.BackwardCorrection(torch.eye(4).double()),
}


SPREADS = [
    (name, spread)
    for name in sorted(LIMITS)
    for spread in ([1.0] if name.endswith("_near") else [1.0, 30.0, 5000.0])
]


@pytest.mark.parametrize(("name", "spread"), SPREADS)
def test_the_limit_is_cross_entropy(name, spread):
    logits, target, _, _ = draw((6, 4), 2, soft=False)
    logits = (spread * logits).requires_grad_()
    wanted = F.cross_entropy(logits, target)
    got = LIMITS[name]()(logits, target, torch.arange(6))
    torch.testing.assert_close(got, wanted)
    gradients = [torch.autograd.grad(value, logits)[0] for value in (got, wanted)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(
    "loss",
    [losses.GeneralizedCrossEntropy(1e-6), losses.BiTempered(1 - 1e-6, 1 + 1e-6)],
    ids=["generalized_cross_entropy", "bi_tempered"],
)
def test_small_options_lose_no_digits_in_float32(loss):
    logits, target, _, _ = draw((6, 4), 2, soft=False)
    logits = logits.float()
    torch.testing.assert_close(
        loss(logits, target), F.cross_entropy(logits, target), rtol=1e-4, atol=1e-4
    )
