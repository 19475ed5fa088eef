import numpy as np
import pytest
import torch

import chaffinch as cf
from chaffinch.core.errors import InputError
from chaffinch.repair import Trimming, propose
from chaffinch.runs.outlier_gradients import DETECTORS
from chaffinch.scorers import SCORERS


@pytest.fixture(scope="module")
def blobs():
    """Samples of three classes, of which a tenth has another label, and a net that learned them."""
    random = np.random.default_rng(4)
    codes = np.arange(120) % 3
    samples = (random.normal(size=(120, 4)) + 4 * np.eye(3, 4)[codes]).astype(np.float32)
    labels, wrong = cf.corruptions.uniform_flips(codes, rate=0.1, seed=2)
    torch.manual_seed(0)
    net = torch.nn.Linear(4, 3)
    optimizer = torch.optim.Adam(net.parameters(), 0.05)
    for _ in range(60):
        optimizer.zero_grad()
        outputs = net(torch.from_numpy(samples))
        torch.nn.functional.cross_entropy(outputs, torch.as_tensor(labels)).backward()
        optimizer.step()
    return net, (samples, np.asarray(labels)), wrong


def twin(net, data, budget):
    """The rows with the greatest squared gradients of a linear layer, sample by sample."""
    norms = []
    for x, y in zip(torch.from_numpy(data[0]), torch.as_tensor(data[1]), strict=True):
        loss = torch.nn.functional.cross_entropy(net(x[None]), y[None])
        parts = torch.autograd.grad(loss, tuple(net.parameters()))
        norms.append(sum(float(part.double().square().sum()) for part in parts))
    return set(np.argsort(norms)[::-1][: int(budget * len(norms))].tolist())


def test_the_greatest_gradients_are_left_out(blobs):
    net, data, wrong = blobs
    plan = cf.outlier_gradients(net, data, "l2", budget=0.1)
    assert {edit.action for edit in plan.edits} == {"trim"}
    rows = [edit.row for edit in plan.edits]
    assert set(rows) == twin(net, data, 0.1)
    assert rows == sorted(rows)
    assert wrong[rows].mean() > 0.6
    assert "the budget is 10.0%" in plan.notes[-1]
    assert np.array_equal(plan.apply(data).X, np.delete(data[0], rows, axis=0))


@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_has_its_scorer(name, blobs):
    assert SCORERS[DETECTORS[name]].family == "outliers"
    net, data, _ = blobs
    assert len(cf.outlier_gradients(net, data, name, budget=0.05).edits) == 6


def test_a_run_is_trimmed_by_any_score_it_has_and_by_others_where_evidence_is(blobs, tmp_path):
    net, data, _ = blobs
    run = cf.scan(data, model=net, train=False, scorers=["gradient_l1"], out=tmp_path / "run")
    assert any("standardised columns" in note for note in run.findings.notes)
    plan = run.propose(by="gradient_l1", budget=0.05)
    best = run.table.nlargest(6, "gradient_l1")["id"]
    assert {edit.id for edit in plan.edits} == set(best)
    assert cf.Run.open(tmp_path / "run").plan() == plan
    assert len(run.propose(by="gradient_l2", budget=0.05).edits) == 6  # from the kept evidence
    by_judgement = run.propose(by="suspicion", budget=0.05)
    assert {edit.id for edit in by_judgement.edits} == set(run.table.nlargest(6, "suspicion")["id"])
    with pytest.raises(InputError, match=r"aum, which needs .*--scorers aum"):
        propose(run.findings, Trimming("aum"))


def test_decisions_of_people_go_before_the_budget(blobs):
    net, data, _ = blobs
    run = cf.scan(data, model=net, train=False, scorers=["gradient_l1"])
    first = run.propose(by="gradient_l1", budget=0.05).edits[0]
    told = run.calibrate({first.id: int(data[1][first.row])})  # somebody looked: it is right
    assert first.id not in {edit.id for edit in told.propose(by="gradient_l1").edits}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"by": "gradient_forrest"}, "gradient_forest"),
        ({"by": "gradient_l2", "budget": 5}, "a share of the samples"),
        ({"by": "gradient_l2", "budget": 0}, "a share of the samples"),
    ],
)
def test_what_is_no_trimming_is_refused(given, words):
    with pytest.raises(InputError, match=words):
        Trimming(**given)
