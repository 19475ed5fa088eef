import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from benchmarks.method import METHODS
from benchmarks.peers import captum, dattri, view
from benchmarks.peers.cleanlab import QUALITIES
from benchmarks.peers.library import library
from benchmarks.situation import CLEAN
from chaffinch.core.errors import InputError, MissingExtraError
from chaffinch.core.labels import Labels

FLIPS = [
    *(f"cleanlab {quality}{where}" for quality in QUALITIES for where in ("", " in-sample")),
    "captum TracInCPFast self",
    *(f"pyod {detector} gradients" for detector in ("iforest", "lof", "knn", "ecod")),
    "sklearn IsolationForest gradients",
    "sklearn OneClassSVM gradients",
]
FAR = [
    "cleanlab ood features",
    *(f"pyod {detector} features" for detector in ("iforest", "lof", "knn", "ecod")),
    "sklearn LocalOutlierFactor features",
]
TO_VALIDATION = [
    "captum TracInCPFast validation",
    "captum TracInCPFastRandProj validation",
    "dattri TracIn validation",
    "dattri DataInf validation",
    "dattri EK-FAC validation",
    "dattri TRAK validation",
]


def run(name, situation, seed=0):
    found = METHODS[name]
    if found.origin != "sklearn":
        pytest.importorskip(found.origin)
    assert found.runs_on(situation)
    scored = found.function(situation, seed)
    assert scored.scores.shape == (len(situation.evidence),)
    assert scored.scores.dtype == np.float64
    assert np.isfinite(scored.scores).all()
    return scored


def auroc(situation, scores, kind):
    rows = np.isin(situation.kinds, [CLEAN, kind])
    return roc_auc_score(situation.kinds[rows] == kind, scores[rows])


def gradients(net, features, codes):
    """(N, C, I + 1) float64 gradients of a last layer, one sample after another."""
    weight, bias = net[2].weight.detach().double(), net[2].bias.detach().double()
    made = []
    for h, code in zip(torch.from_numpy(np.array(features, np.float64)), codes, strict=True):
        w, b = weight.clone().requires_grad_(), bias.clone().requires_grad_()
        loss = torch.nn.functional.cross_entropy((w @ h + b)[None], torch.tensor([code]))
        one, other = torch.autograd.grad(loss, [w, b])
        made.append(torch.cat([one, other[:, None]], 1))
    return torch.stack(made).numpy()


def last_gradients(situation):
    evidence = situation.evidence
    given = gradients(situation.model, evidence.features, evidence.labels.codes)
    codes = evidence.validation_codes
    return given, gradients(situation.model, evidence.validation_features, codes)


@pytest.mark.parametrize("name", FLIPS)
def test_flips_are_more_suspicious(name, situation):
    scored = run(name, situation)
    assert auroc(situation, scored.scores, "mislabelled") > 0.9
    if name.startswith("cleanlab"):
        assert roc_auc_score(situation.kinds == "mislabelled", scored.flagged) > 0.85


@pytest.mark.parametrize("name", FAR)
def test_noise_images_are_more_suspicious(name, situation):
    assert auroc(situation, run(name, situation).scores, "far_cluster") > 0.75


def test_unsure_outputs_are_more_suspicious_to_ood_probabilities(situation):
    scores = run("cleanlab ood probabilities", situation).scores
    p = view.probabilities(situation, "held_out_logits")
    entropy = -(p * np.log(p)).sum(1)
    assert spearmanr(scores, entropy).statistic > 0.5


def test_scores_of_cleanlab_are_its_qualities_turned_round(situation):
    p = view.probabilities(situation, "held_out_logits")
    own = p[np.arange(len(p)), situation.evidence.labels.codes]
    assert np.allclose(run("cleanlab self_confidence", situation).scores, -own)
    rest = p.copy()
    rest[np.arange(len(p)), situation.evidence.labels.codes] = 0
    margin = (own - rest.max(1) + 1) / 2
    assert np.allclose(run("cleanlab normalized_margin", situation).scores, -margin)


def test_cleanlab_bears_a_class_that_nobody_is_given(situation):
    evidence = situation.evidence
    codes = np.where(evidence.labels.codes == 3, 5, evidence.labels.codes)
    labels = Labels(codes, evidence.labels.classes)
    other = replace(situation, evidence=replace(evidence, labels=labels))
    for name in ("cleanlab self_confidence", "cleanlab ood probabilities"):
        scores = run(name, other).scores
        assert scores.shape == codes.shape
        assert np.isfinite(scores).all()


def test_tracin_of_dattri_is_minus_the_mean_influence(situation):
    given, targets = last_gradients(situation)
    expected = -np.einsum("nci,ci->n", given, targets.mean(0))
    scores = run("dattri TracIn validation", situation).scores
    assert np.allclose(scores, expected, rtol=1e-3, atol=1e-5 * abs(expected).max())


def test_tracin_of_captum_counts_all_checkpoints_without_the_bias(situation):
    """Fast twin: captum; slow twin: one sample and checkpoint after another in float64."""
    expected_self, expected = np.zeros(400), np.zeros(400)
    inputs, codes = situation.validation
    net = situation.factory()
    for state, rate in zip(situation.checkpoints, situation.evidence.learning_rates, strict=True):
        net.load_state_dict(state)
        with torch.no_grad():
            features = net[1](net[0](situation.inputs.tensor)).numpy()
            held = net[1](net[0](inputs.tensor)).numpy()
        given = gradients(net, features, situation.evidence.labels.codes)[:, :, :-1]
        targets = gradients(net, held, codes)[:, :, :-1]
        expected_self += rate * (given**2).sum((1, 2))
        expected -= rate * np.einsum("nci,ci->n", given, targets.mean(0))
    before = {name: value.clone() for name, value in situation.model.state_dict().items()}
    scores = run("captum TracInCPFast self", situation).scores
    assert np.allclose(scores, expected_self, rtol=1e-3, atol=1e-6)
    scores = run("captum TracInCPFast validation", situation).scores
    assert np.allclose(scores, expected, rtol=1e-2, atol=1e-4 * abs(expected).max())
    after = situation.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_projected_tracin_of_captum_approaches_the_plain_one(situation, monkeypatch):
    monkeypatch.setattr(captum, "_PROJECTED", 10_000)
    plain = run("captum TracInCPFast validation", situation).scores
    projected = run("captum TracInCPFastRandProj validation", situation).scores
    assert np.corrcoef(plain, projected)[0, 1] > 0.9


def test_datainf_of_dattri_is_minus_the_mean_influence(situation):
    given, targets = last_gradients(situation)
    mean, count = targets.mean(0), len(given)
    expected = np.zeros(count)
    for part in (slice(0, -1), slice(-1, None)):  # weight and bias are layers of their own
        g, v = given[:, :, part].reshape(count, -1), mean[:, part].ravel()
        scale = 1 / (dattri.DAMPING + (g**2).sum(1))
        solved = (v - ((g @ v) * scale) @ g / count) / dattri.DAMPING
        expected -= g @ solved
    scores = run("dattri DataInf validation", situation).scores
    assert np.corrcoef(scores, expected)[0, 1] > 0.98


def test_curvature_of_dattri_points_the_same_way(situation):
    given, targets = last_gradients(situation)
    g, v = given.reshape(len(given), -1), targets.mean(0).ravel()
    fisher = g.T @ g / len(g) + dattri.DAMPING * np.eye(g.shape[1])
    expected = -g @ np.linalg.solve(fisher, v)
    for name, least in (("dattri EK-FAC validation", 0.3), ("dattri TRAK validation", 0.2)):
        assert spearmanr(run(name, situation).scores, expected).statistic > least


@pytest.mark.parametrize("name", ["pyod iforest gradients", "dattri TRAK validation"])
def test_the_same_seed_gives_the_same_and_leaves_the_random_state(name, situation):
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    first, second = (run(name, situation, 3).scores for _ in range(2))
    assert np.array_equal(first, second)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not np.array_equal(run(name, situation, 4).scores, first)


def test_validation_gradients_are_those_of_the_samples(situation):
    given, targets = last_gradients(situation)
    for formed, slow in (
        (view.dense_gradients(situation), given),
        (view.dense_validation_gradients(situation), targets),
    ):
        flat = [slow[:, :, :-1].reshape(len(slow), -1), slow[:, :, -1]]
        assert np.allclose(formed, np.concatenate(flat, 1), atol=1e-5)


def test_every_peer_is_tried_here():
    tried = {*FLIPS, *FAR, *TO_VALIDATION, "cleanlab ood probabilities"}
    peers = {"cleanlab", "captum", "dattri", "pyod", "sklearn"}
    assert {name for name, one in METHODS.items() if one.origin in peers} == tried


def test_peers_run_only_on_what_they_need(situation, monkeypatch):
    bare = replace(
        situation,
        evidence=replace(situation.evidence, held_out_logits=None, validation_codes=None),
        checkpoints=(),
    )
    runs = {name for name in [*FLIPS, *FAR, *TO_VALIDATION] if METHODS[name].runs_on(bare)}
    assert "cleanlab self_confidence" not in runs
    assert "cleanlab self_confidence in-sample" in runs
    assert not runs & {*TO_VALIDATION, "captum TracInCPFast self", "sklearn OneClassSVM gradients"}
    assert "sklearn IsolationForest gradients" in runs
    monkeypatch.setattr(view, "LARGEST_MATRIX", 400 * 10 * 25 - 1)
    assert not METHODS["sklearn IsolationForest gradients"].runs_on(situation)


def test_a_model_without_a_last_layer_is_refused(situation):
    model = torch.nn.Sequential(*situation.model, torch.nn.Softmax(1))
    with pytest.raises(InputError, match="a model that ends in a linear layer"):
        view.last_layer(replace(situation, model=model))


def test_a_peer_that_is_not_there_says_how_to_get_it():
    message = r"a comparison with nobody needs.*pip install 'chaffinch\[bench\]'"
    with pytest.raises(MissingExtraError, match=message):
        library("nobody.home")


def test_peers_are_not_imported_before_they_are_asked():
    code = (
        "import sys, benchmarks.peers\n"
        "print(sorted({'cleanlab', 'captum', 'dattri', 'pyod', 'annoy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
