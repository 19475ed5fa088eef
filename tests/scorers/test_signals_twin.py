"""Influence signals against loops over gradients that are formed, sample by sample in float64."""

import math
from dataclasses import replace

import numpy as np
import pytest
import slow_twin as slow
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chaffinch.core.errors import InputError
from chaffinch.core.evidence import Evidence
from chaffinch.core.labels import Labels
from chaffinch.scorers import SCORERS
from chaffinch.scorers.signals import SIGNALS, matrix, signal, signal_by_epoch
from chaffinch.scorers.signals.counterfactual import counterfactual
from chaffinch.scorers.signals.relative_influence import damped_inverse, relative_parts
from chaffinch.scorers.signals.snapshot import num_epochs, snapshot

LETTERS = st.fixed_dictionaries(
    {
        "epochs": st.integers(1, 4),
        "samples": st.integers(1, 6),
        "classes": st.integers(2, 4),
        "inputs": st.integers(1, 4),
        "targets": st.integers(1, 6),
        "bias": st.booleans(),
        "seed": st.integers(0, 10_000),
    }
)
ONE = {
    "epochs": 4,
    "samples": 9,
    "classes": 3,
    "inputs": 4,
    "targets": 8,
    "bias": True,
    "seed": 3,
}


def draw(size):
    """Evidence of random nets in every epoch; classes may lack samples or targets."""
    random = np.random.default_rng(size["seed"])
    epochs, n, c, m = (size[k] for k in ("epochs", "samples", "classes", "targets"))
    features = random.normal(size=(epochs, n, size["inputs"]))
    targets = random.normal(size=(epochs, m, size["inputs"]))
    answers = random.normal(size=(epochs, m, c))
    return Evidence(
        np.arange(n).astype(str),
        Labels(random.integers(0, c, n), np.arange(c)),
        logits=random.normal(size=(epochs, n, c)) * 2,
        features=features[-1],
        features_by_epoch=features,
        feature_norms=np.linalg.norm(features, axis=2),
        learning_rates=random.uniform(0.1, 1, epochs),
        validation_logits=answers[-1],
        validation_features=targets[-1],
        validation_logits_by_epoch=answers,
        validation_features_by_epoch=targets,
        validation_codes=random.integers(0, c, m),
        bias=size["bias"],
    )


def influence(evidence, epochs, codes):
    """(N, M) sum over epochs of the rate times the product of two formed gradients."""
    total = np.zeros((len(evidence), len(evidence.validation_codes)))
    for e in epochs:
        rate = evidence.learning_rates[e]
        ours, theirs = evidence.logits[e], evidence.validation_logits_by_epoch[e]
        for i, code in enumerate(codes):
            mine = slow.gradient(ours[i], code, evidence.features_by_epoch[e, i], evidence.bias)
            for j, target in enumerate(evidence.validation_codes):
                features = evidence.validation_features_by_epoch[e, j]
                other = slow.gradient(theirs[j], target, features, evidence.bias)
                total[i, j] += rate * math.fsum((mine * other).ravel())
    return total


def by_class(row, targets, num_classes, keep):
    """(C,) sums of what is kept of a row of influences."""
    return [
        math.fsum(keep(v) for v, t in zip(row, targets, strict=True) if t == c)
        for c in range(num_classes)
    ]


def slow_signals(evidence, epochs):
    """Name to (N,), by the definitions."""
    codes, targets = evidence.labels.codes, evidence.validation_codes
    size, m = len(evidence.labels.classes), len(targets)
    now = influence(evidence, epochs, codes)
    under = [influence(evidence, epochs, np.full(len(codes), c)) for c in range(size)]
    there = sorted(set(targets.tolist()))
    found = {name: [] for name in (*SIGNALS, "proposed")}
    for i, y in enumerate(codes):
        row = now[i]
        net = by_class(row, targets, size, lambda v: v)
        helped = by_class(row, targets, size, lambda v: max(v, 0))
        hurt = by_class(row, targets, size, lambda v: min(v, 0))
        found["mi"].append(-sum(net) / m)
        found["aai"].append(sum(map(abs, row)) / m)
        found["gd_class"].append(-min(net[c] for c in there) / m)
        found["helping"].append(-sum(helped) / m)
        found["hurting"].append(-sum(hurt) / m)
        found["own_class"].append(-net[y] / m)
        found["other_class"].append(-(sum(net) - net[y]) / m)
        proposed = min(there, key=lambda c: hurt[c])
        if hurt[proposed] == 0:
            proposed = min([c for c in there if c != y or len(there) == 1], key=lambda c: net[c])
        found["proposed"].append(proposed)
        found["cnci"].append(
            by_class(under[proposed][i], targets, size, lambda v: min(v, 0))[y] / m
        )
        second = sorted(range(size), key=lambda c: -helped[c])[1]
        other = by_class(under[second][i], targets, size, lambda v: max(v, 0))
        change = max(abs(a - b) for a, b in zip(helped, other, strict=True))
        found["pcid"].append(-math.log(max(sum(helped) * change, 1e-30)))
    return found


def expect(got, wanted):
    np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=2e-5)


@settings(max_examples=12)
@given(LETTERS)
def test_signals_over_all_epochs(size):
    evidence = draw(size)
    wanted = slow_signals(evidence, range(size["epochs"]))
    got = signal.traced_signals(evidence)
    for name in set(SIGNALS) - {"si", "cfrank"} | {"proposed"}:
        # The logarithm of almost nothing depends on the rounding.
        floor = -10 if name == "pcid" else -np.inf
        expect(-np.maximum(-got[name], floor), -np.maximum(-np.asarray(wanted[name]), floor))


@settings(max_examples=6)
@given(LETTERS)
def test_signals_of_one_epoch(size):
    evidence = draw(size)
    for name in ("mi", "aai", "gd_class", "cnci"):
        got = signal_by_epoch(evidence, name)
        assert got.shape == (size["epochs"], size["samples"])
        for epoch in range(size["epochs"]):
            expect(got[epoch], slow_signals(evidence, [epoch])[name])
        early = range(math.ceil(size["epochs"] / 3))
        expect(signal.early_signal(evidence, name), slow_signals(evidence, early)[name])


def test_each_scorer_is_its_signal():
    evidence = draw(ONE)
    traced = {
        "mean_influence": "mi",
        "absolute_influence": "aai",
        "gd_class": "gd_class",
        "helping_influence": "helping",
        "hurting_influence": "hurting",
        "own_class_influence": "own_class",
        "other_class_influence": "other_class",
        "cnci": "cnci",
        "pcid": "pcid",
        "cfrank": "cfrank",
    }
    for scorer, name in traced.items():
        wanted = signal.traced_signals(evidence)[name]
        np.testing.assert_array_equal(SCORERS[scorer](evidence), wanted)
    early = {"mean_influence": "mi", "absolute_influence": "aai", "gd_class": "gd_class"}
    for scorer, name in (early | {"cnci": "cnci", "pcid": "pcid"}).items():
        wanted = signal.early_signal(evidence, name)
        np.testing.assert_array_equal(SCORERS[f"{scorer}_early"](evidence), wanted)
    for scorer, name in {"mean_influence": "mi", "self_influence": "si"}.items():
        wanted = signal_by_epoch(evidence, name)[:2].sum(axis=0)  # 2 of 4 epochs
        expect(SCORERS[f"{scorer}_early"](evidence), wanted)


def test_self_influence_by_epoch_adds_up():
    evidence = draw(ONE)
    rows = signal_by_epoch(evidence, "si")
    assert rows.shape == (4, 9)
    np.testing.assert_allclose(rows.sum(axis=0), SCORERS["self_influence"](evidence))


def test_a_linear_signal_of_all_epochs_is_the_sum_of_those_of_each():
    evidence = draw(ONE)
    expect(signal_by_epoch(evidence, "mi").sum(axis=0), SCORERS["mean_influence"](evidence))


def test_blocks_make_no_difference(monkeypatch):
    evidence = draw({**ONE, "samples": 40})
    wanted = signal.traced_signals(evidence)
    monkeypatch.setattr(signal, "_ROWS", 7)
    monkeypatch.setattr(matrix, "_BLOCK_FLOATS", 1)
    again = signal.traced_signals(replace(evidence))
    for name, values in wanted.items():
        np.testing.assert_allclose(again[name], values, rtol=1e-3, atol=1e-6, err_msg=name)


def test_without_records_by_epoch_it_is_the_last_epoch():
    evidence = draw(ONE)
    names = ("features_by_epoch", "validation_logits_by_epoch", "validation_features_by_epoch")
    last = replace(evidence, **dict.fromkeys(names))
    assert (num_epochs(evidence), num_epochs(last)) == (4, 1)
    rate = evidence.learning_rates[-1]
    for name in ("mi", "aai", "gd_class", "cnci"):
        assert signal_by_epoch(last, name).shape == (1, 9)
        expect(rate * signal_by_epoch(last, name)[0], signal_by_epoch(evidence, name)[-1])
    np.testing.assert_allclose(
        SCORERS["validation_influence"](last), signal_by_epoch(last, "mi")[0], atol=1e-6
    )
    with pytest.raises(InputError, match="features_by_epoch"):
        SCORERS["mean_influence_early"](last)


def test_an_unknown_signal_is_refused():
    with pytest.raises(InputError, match=r"si, mi.*got 'nonsense'"):
        signal_by_epoch(draw(ONE), "nonsense")


@pytest.mark.parametrize("seed", range(3))
def test_wrong_labels_get_their_right_class_proposed(synthetic, seed):
    made = synthetic(seed=seed)
    verdict = counterfactual(made.evidence)
    assert (verdict.proposed == made.truth)[made.errors].mean() > 0.9
    assert verdict.anomalous[made.errors].mean() < 0.5
    ranks = verdict.score[made.errors].mean(), verdict.score[~made.errors].mean()
    assert ranks[0] > ranks[1]


def test_what_nobody_shares_features_with_is_an_anomaly(synthetic):
    evidence = synthetic(rate=0).evidence
    strange = np.arange(0, 240, 24)

    def moved(rows):
        changed = rows.copy()
        changed[..., strange, :] = 0
        changed[..., strange, -1] = 0.1
        return changed

    evidence = replace(
        evidence,
        bias=False,
        features=moved(evidence.features),
        features_by_epoch=moved(evidence.features_by_epoch),
    )
    for name in ("pcid", "pcid_early"):
        scores = SCORERS[name](evidence)
        assert scores[strange].min() > np.quantile(scores, 0.9)
    assert counterfactual(evidence).score[strange].min() > 0.9


def test_where_nobody_is_hurt_the_least_helped_other_class_is_proposed():
    hurt = np.zeros((2, 3))
    net = np.asarray([[5.0, 1.0, 2.0], [0.0, 3.0, 4.0]])
    present = np.asarray([True, True, True])
    assert matrix.propose(hurt, net, np.asarray([0, 0]), present).tolist() == [1, 1]
    only = np.asarray([True, False, False])
    assert matrix.propose(hurt, net, np.asarray([0, 0]), only).tolist() == [0, 0]


@given(LETTERS)
def test_relative_influence(size):
    evidence = draw(size)
    width = size["inputs"] + size["bias"]
    inputs, outputs = np.zeros((width, width)), np.zeros((size["classes"],) * 2)
    for logits, features in zip(evidence.logits[-1], evidence.features, strict=True):
        h = np.append(features, 1.0) if size["bias"] else features
        p = np.asarray(slow.softmax(logits))
        inputs += np.outer(h, h) / len(evidence)
        outputs += (np.diag(p) - np.outer(p, p)) / len(evidence)
    curvature = np.kron(
        outputs + 0.1 * np.trace(outputs) / len(outputs) * np.eye(len(outputs)),
        inputs + 0.1 * np.trace(inputs) / width * np.eye(width),
    )
    target = np.mean(
        [
            slow.gradient(*row, size["bias"]).ravel()
            for row in zip(
                evidence.validation_logits,
                evidence.validation_codes,
                evidence.validation_features,
                strict=True,
            )
        ],
        axis=0,
    )
    theta, loss = [], []
    rows = zip(evidence.logits[-1], evidence.labels.codes, evidence.features, strict=True)
    for row in rows:
        g = slow.gradient(*row, size["bias"]).ravel()
        moved = np.linalg.solve(curvature, g)
        theta.append(-target @ moved / np.linalg.norm(moved))
        loss.append(-target @ moved / math.sqrt(g @ moved))
    expect(SCORERS["relative_influence_theta"](evidence), theta)
    expect(SCORERS["relative_influence_loss"](evidence), loss)


def test_relative_influence_is_no_cosine():
    evidence = draw({**ONE, "samples": 60})
    plain, relative = (SCORERS[n](evidence) for n in ("gradient_l2", "relative_influence_theta"))
    cosine = SCORERS["validation_influence"](evidence) / plain
    assert np.corrcoef(cosine, relative)[0, 1] < 0.98
    assert np.array_equal(relative_parts(evidence).influence, relative_parts(evidence).influence)


def test_a_matrix_of_zeros_has_a_damped_inverse():
    assert np.isfinite(damped_inverse(np.zeros((3, 3)))).all()


@pytest.mark.filterwarnings("ignore:Input Tensor 0 did not already require gradients")
def test_influence_and_self_influence_are_those_of_captum(tmp_path):
    pytest.importorskip("captum")
    from captum.influence import TracInCP

    evidence = draw({**ONE, "bias": False})
    weights = np.random.default_rng(0).normal(size=(4, 3, 4)).astype(np.float32)
    evidence = replace(
        evidence,
        logits=np.einsum("eni,eci->enc", evidence.features_by_epoch, weights),
        validation_logits_by_epoch=np.einsum(
            "emi,eci->emc", evidence.validation_features_by_epoch, weights
        ),
    )
    # Inputs are the same in all epochs of a bare linear layer: one checkpoint at a time.
    model = torch.nn.Linear(4, 3, bias=False)
    ours, own = [], []
    theirs, their_own = 0.0, 0.0
    for epoch in range(4):
        path = tmp_path / f"{epoch}.pt"
        torch.save({"weight": torch.from_numpy(weights[epoch])}, path)

        def load(net, file, rate=float(evidence.learning_rates[epoch])):
            net.load_state_dict(torch.load(file, weights_only=True))
            return rate

        def pairs(features, codes):
            rows = torch.from_numpy(features).float(), torch.from_numpy(codes)
            return torch.utils.data.TensorDataset(*rows)

        trained = pairs(evidence.features_by_epoch[epoch], evidence.labels.codes)
        peer = TracInCP(
            model,
            trained,
            [str(path)],
            checkpoints_load_func=load,
            loss_fn=torch.nn.CrossEntropyLoss(reduction="sum"),
            batch_size=3,
            sample_wise_grads_per_batch=True,
        )
        targets = pairs(evidence.validation_features_by_epoch[epoch], evidence.validation_codes)
        theirs = theirs + peer.influence(targets.tensors).numpy().T
        their_own = their_own + peer.self_influence().numpy()
    snapshots = [snapshot(evidence, epoch) for epoch in range(4)]
    ours = np.concatenate(
        [b.numpy() for _, b in matrix.influence_rows(snapshots, evidence.labels.codes)]
    )
    own = SCORERS["self_influence"](evidence)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(own, their_own, rtol=1e-4)
