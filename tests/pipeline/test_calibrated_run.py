import json

import numpy as np
import pytest

import chaffinch as cf
from chaffinch.core.basis import FILE
from chaffinch.core.errors import RunError
from chaffinch.diagnosis.basis import stacked
from chaffinch.pipeline.outcome import findings_of
from chaffinch.store.run import RunFolder

QUICK = {"epochs": 4, "folds": 2, "canaries": False}


@pytest.fixture(scope="module")
def scanned(tmp_path_factory):
    random = np.random.default_rng(7)
    truth = np.repeat([0, 1, 2], 60)
    X = (4 * np.eye(3)[truth] + random.normal(size=(180, 3))).astype(np.float32)
    labels, _ = cf.corruptions.uniform_flips(truth, 0.1, seed=3)
    out = tmp_path_factory.mktemp("runs") / "run"
    return cf.scan((X, labels), out=out, **QUICK), out, truth


def test_a_run_keeps_what_calibration_needs(scanned):
    findings, out, truth = scanned
    again = findings_of(RunFolder(out))
    assert again.basis.names == findings.basis.names
    assert {"prior", "odds", "rival", "fold", "neighbours", "dynamics"} <= set(findings.basis.names)
    ask = findings.to_check(20)
    assert again.to_check(20).equals(ask)
    answers = dict(zip(ask["id"], truth[ask["row"]], strict=True))
    here, there = findings.findings.calibrate(answers), again.calibrate(answers)
    same = ["id", "suspicion", "flagged", "kind", "q_value", "suggested_label"]
    assert there.table[same].astype(str).equals(here.table[same].astype(str))
    assert there.details["calibration"] == json.loads(json.dumps(here.details["calibration"]))


def test_an_old_run_is_calibrated_by_its_suspicion_and_a_damaged_one_is_named(scanned):
    _, out, truth = scanned
    whole = (out / FILE).read_bytes()
    try:
        (out / FILE).unlink()
        old = findings_of(RunFolder(out))
        assert old.basis is None
        ask = old.to_check(20)
        after = old.calibrate(dict(zip(ask["id"], truth[ask["row"]], strict=True)))
        assert after.details["calibration"]["answers"] == 20
        (out / FILE).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(RunError, match=r"basis\.npz"):
            findings_of(RunFolder(out))
    finally:
        (out / FILE).write_bytes(whole)


def test_the_pool_predicts_given_labels_better_than_any_source_alone():
    random = np.random.default_rng(0)
    codes = random.integers(0, 3, 300)
    sources = [
        np.log(np.full((300, 3), 0.2) + 0.4 * np.eye(3)[codes]) + random.normal(size=(300, 3))
        for _ in range(2)
    ]

    def loss(values):
        values = values - np.log(np.exp(values).sum(axis=1, keepdims=True))
        return -values[np.arange(300), codes].mean()

    assert loss(stacked(sources, codes)) < min(loss(scale * one) for one in sources
                                               for scale in (0.25, 0.5, 1, 2))  # fmt: skip


@pytest.mark.parametrize("evidence", ["probabilities", "embeddings", "logits"])
def test_any_evidence_makes_a_basis(evidence):
    random = np.random.default_rng(0)
    truth = np.arange(200) % 2
    labels, _ = cf.corruptions.uniform_flips(truth, 0.1, seed=2)
    sure = 3 * np.eye(2)[truth] + random.normal(size=(200, 2))
    chances = np.exp(sure) / np.exp(sure).sum(axis=1, keepdims=True)
    given = {"probabilities": chances, "embeddings": sure, "logits": sure}[evidence]
    found = cf.judge(labels == 1, **{evidence: given})
    expected = {
        "probabilities": {"odds", "rest", "rival", "fold"},
        "embeddings": {"odds", "rest", "rival", "neighbours", "forest"},
        "logits": {"dynamics"},
    }[evidence]
    assert set(found.basis.names) == {"prior"} | expected
    assert np.isfinite(found.basis.features).all()
    ask = found.to_check(10)
    after = found.calibrate(dict(zip(ask["id"], truth[ask["row"]] == 1, strict=True)))
    told = after.table.set_index("id").loc[ask["id"], "suspicion"].to_numpy()
    assert told.tolist() == (labels != truth)[ask["row"]].astype(float).tolist()
