"""Transition matrices, the losses corrected by them, and mixup."""

import loss_twin as slow
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from chaffinch import losses
from chaffinch.core.errors import InputError
from chaffinch.core.randomness import stream
from chaffinch.scorers.labels.confident_learning import confident_joint

T = slow.transition(4)


def noisy_sample(count=4000, seed=0):
    """Probabilities of noisy labels of samples that are mostly sure, and labels drawn from them."""
    random = np.random.default_rng(seed)
    true = random.integers(0, 4, count)
    clean = 0.99 * np.eye(4)[true] + 0.01 * random.dirichlet(np.ones(4), count)
    given_p = clean @ T
    codes = (random.random((count, 1)) > given_p.cumsum(1)).sum(1)
    return given_p, codes


def test_anchors_find_the_transition():
    probabilities, _ = noisy_sample()
    np.testing.assert_allclose(losses.transition_from_anchors(probabilities), T, atol=0.01)


@settings(max_examples=60)
@given(
    shape=st.tuples(st.integers(1, 12), st.integers(1, 5)),
    seed=st.integers(0, 10_000),
    quantile=st.sampled_from([None, 0.0, 0.5, 1.0]),
)
def test_the_anchor_is_the_sample_at_the_quantile(shape, seed, quantile):
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(shape[1]), shape[0])
    found = losses.transition_from_anchors(probabilities, quantile)
    share = 1 - 0.3 / shape[1] if quantile is None else quantile
    for k in range(shape[1]):
        ordered = sorted(range(shape[0]), key=lambda n, k=k: probabilities[n, k])
        anchor = probabilities[ordered[int(share * (shape[0] - 1))]]
        np.testing.assert_allclose(found[k], anchor)


@pytest.mark.parametrize(("num_classes", "place"), [(2, 849), (10, 969), (100, 996)])
def test_the_usual_quantile_stays_within_the_share_of_a_class(num_classes, place):
    first = np.linspace(0, 1, 1000)
    others = np.tile(((1 - first) / (num_classes - 1))[:, None], num_classes - 1)
    found = losses.transition_from_anchors(np.column_stack([first, others]))
    assert found[0, 0] == pytest.approx(first[place - 1], abs=1.1e-3)


def test_the_joint_finds_the_transition():
    probabilities, codes = noisy_sample()
    found = losses.transition_from_joint(confident_joint(probabilities, codes))
    np.testing.assert_allclose(found.sum(1), 1)
    np.testing.assert_allclose(found, T, atol=0.06)


def test_the_joint_is_read_as_given_by_true():
    joint = np.asarray([[6, 3, 0], [2, 1, 0], [0, 0, 0]])
    wanted = [[6 / 8, 2 / 8, 0], [3 / 4, 1 / 4, 0], [0, 0, 1]]
    np.testing.assert_allclose(losses.transition_from_joint(joint), wanted)


def test_backward_correction_is_unbiased():
    logits = torch.from_numpy(np.random.default_rng(1).normal(size=(6, 4)) * 3)
    loss = losses.BackwardCorrection(torch.from_numpy(T), reduction="none")
    by_label = torch.stack([loss(logits, torch.full((6,), k)) for k in range(4)], 1)
    for true in range(4):
        mean = by_label @ torch.from_numpy(T[true])
        plain = F.cross_entropy(logits, torch.full((6,), true), reduction="none")
        torch.testing.assert_close(mean, plain)


def test_forward_correction_is_least_at_the_clean_probabilities():
    """Cross-entropy with the noisy distribution is least where the model predicts the clean one."""
    clean = torch.tensor([[0.7, 0.1, 0.15, 0.05]], dtype=torch.float64)
    noisy = clean @ torch.from_numpy(T)
    logits = clean.log().requires_grad_()
    losses.ForwardCorrection(torch.from_numpy(T))(logits, noisy).backward()
    assert logits.grad.abs().max() < 1e-12
    plain = clean.log().requires_grad_()
    losses.CrossEntropy()(plain, noisy).backward()
    assert plain.grad.abs().max() > 0.01


def test_a_probability_that_underflows_still_has_its_gradient():
    logits = torch.tensor([[-500.0, 500.0]], requires_grad=True)
    losses.ForwardCorrection(torch.eye(2))(logits, torch.tensor([0])).backward()
    assert logits.grad.tolist() == [[-1.0, 1.0]]


def test_arrays_and_lists_give_torchs_default_type():
    for matrix in (np.eye(2), [[1.0, 0.0], [0.0, 1.0]]):
        assert losses.ForwardCorrection(matrix).log_transition.dtype == torch.float32
        assert losses.BackwardCorrection(matrix).inverse.dtype == torch.float32


ERRORS = {
    "square": (lambda: losses.ForwardCorrection(np.ones((2, 3)) / 3), r"T \(C, C\); got shape"),
    "rows": (lambda: losses.BackwardCorrection(T.T), r"T\[true, given\] whose rows are dist"),
    "negative": (lambda: losses.ForwardCorrection([[1.5, -0.5], [0, 1]]), "entries from -0.5"),
    "column": (lambda: losses.ForwardCorrection([[1, 0], [1, 0]]), "each label can arise"),
    "singular": (lambda: losses.BackwardCorrection([[0.5, 0.5]] * 2), "Use ForwardCorrection"),
    "joint": (lambda: losses.transition_from_joint(np.ones((2, 3))), "counts .C, C. that are not"),
    "minus": (lambda: losses.transition_from_joint(-np.eye(2)), "not negative"),
    "nan": (lambda: losses.transition_from_joint(np.eye(2) * np.nan), "not negative"),
    "anchors": (
        lambda: losses.transition_from_anchors(np.ones((3, 2))),
        "probabilities whose rows",
    ),
    "empty": (lambda: losses.transition_from_anchors(np.ones((0, 2))), r"probabilities \(N, C\)"),
    "quantile": (
        lambda: losses.transition_from_anchors(np.eye(2), 1.5),
        r"quantile in 0\.\.1; got 1.5",
    ),
    "forward_classes": (
        lambda: losses.ForwardCorrection(T)(torch.zeros(1, 3), torch.tensor([0])),
        "logits of 4 classes, as T has; got 3",
    ),
    "backward_classes": (
        lambda: losses.BackwardCorrection(T)(torch.zeros(1, 3), torch.tensor([0])),
        "logits of 4 classes, as T has; got 3",
    ),
    "mixup_inputs": (
        lambda: losses.mixup(torch.tensor([[1]]), torch.tensor([0]), 2, stream(0, "x")),
        "inputs in floating point; got torch.int64",
    ),
    "mixup_target": (
        lambda: losses.mixup(torch.zeros(2, 3), torch.zeros(2, 3), 2, stream(0, "x")),
        r"codes \(2,\) or soft labels \(2, 2\)",
    ),
    "mixup_code": (
        lambda: losses.mixup(torch.zeros(2, 3), torch.tensor([0, 2]), 2, stream(0, "x")),
        r"codes in 0\.\.1",
    ),
    "mixup_alpha": (
        lambda: losses.mixup(torch.zeros(1, 3), torch.tensor([0]), 2, stream(0, "x"), -1),
        "alpha >= 0",
    ),
}


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_what_does_not_fit_is_refused(name):
    make, words = ERRORS[name]
    with pytest.raises(InputError, match=words):
        make()


@settings(max_examples=40)
@given(
    size=st.integers(0, 6),
    seed=st.integers(0, 10_000),
    alpha=st.sampled_from([0.2, 1.0, 8.0]),
    soft=st.booleans(),
)
def test_mixup_is_its_definition(size, seed, alpha, soft):
    random = np.random.default_rng(seed)
    inputs = torch.from_numpy(random.normal(size=(size, 2, 3)))
    labels = torch.from_numpy(random.integers(0, 4, size))
    distribution = F.one_hot(labels, 4).double()
    target = distribution if soft else labels
    mixed, blend = losses.mixup(inputs, target, 4, stream(seed, "mixup"), alpha)
    again = stream(seed, "mixup")
    share, partners = again.beta(alpha, alpha), again.permutation(size)
    for i, j in enumerate(partners.tolist()):
        torch.testing.assert_close(mixed[i], share * inputs[i] + (1 - share) * inputs[j])
        wanted = share * distribution[i] + (1 - share) * distribution[j]
        torch.testing.assert_close(blend[i], wanted)
    assert mixed.shape == inputs.shape
    assert blend.shape == (size, 4)


def test_no_mixup_leaves_the_batch():
    inputs, target = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), torch.arange(4)
    mixed, blend = losses.mixup(inputs, target, 4, stream(0, "mixup"), alpha=0)
    assert torch.equal(mixed, inputs)
    assert torch.equal(blend, torch.eye(4))


@pytest.mark.parametrize("name", sorted(slow.CASES))
def test_every_loss_learns_the_true_labels_from_noisy_ones(name):
    random = np.random.default_rng(4)
    true = random.integers(0, 4, 400)
    X = torch.from_numpy(np.eye(4)[true] * 3 + random.normal(size=(400, 4)))
    codes = torch.from_numpy((random.random((400, 1)) > T[true].cumsum(1)).sum(1))
    ids = torch.arange(400) % slow.NUM_IDS
    loss = slow.CASES[name][0](4)
    weights = torch.zeros(4, 4, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([weights], lr=0.3)
    for _ in range(60):
        optimizer.zero_grad()
        loss(X @ weights, codes, ids).backward()
        optimizer.step()
    accuracy = ((X @ weights).argmax(1).numpy() == true).mean()
    assert accuracy > 0.85


@pytest.mark.parametrize("name", sorted(slow.CASES))
def test_a_blended_label_has_the_blended_loss(name):
    logits = torch.from_numpy(np.random.default_rng(2).normal(size=(5, 4)))
    ids = torch.arange(5)
    loss = slow.CASES[name][0](4, reduction="none").eval()
    if name == "peer":  # its second term depends on all labels of the batch
        loss.alpha = 0.0
    first, second = torch.zeros(5, dtype=torch.long), torch.full((5,), 2)
    blend = 0.3 * F.one_hot(first, 4).double() + 0.7 * F.one_hot(second, 4).double()
    wanted = 0.3 * loss(logits, first, ids) + 0.7 * loss(logits, second, ids)
    torch.testing.assert_close(loss(logits, blend, ids), wanted)
