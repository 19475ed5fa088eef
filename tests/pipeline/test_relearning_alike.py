"""Answers teach about neighbours alike wherever findings are calibrated."""

import numpy as np
import pandas as pd

import chaffinch as cf
from chaffinch.diagnosis.relearning import relearn
from chaffinch.pipeline.calibrate import learned

SAME = ["id", "suspicion", "flagged", "kind", "q_value", "suggested_label"]


def test_in_memory_and_in_a_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CHAFFINCH_LEDGER", str(tmp_path / "ledger.sqlite"))
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, 240)
    embeddings = (2 * np.eye(3)[truth] + 0.7 * random.normal(size=(240, 3))).astype(np.float32)
    labels, _ = cf.corruptions.uniform_flips(truth, 0.15, seed=1)
    here = cf.judge(labels, embeddings=embeddings, scorers=[])
    there = cf.judge(labels, embeddings=embeddings, scorers=[], out=tmp_path / "run")
    ask = here.to_check(20)
    answers = dict(zip(ask["id"], truth[ask["row"]], strict=True))
    plain = here.findings.calibrate(answers)
    taught = relearn(plain, embeddings)
    assert not np.allclose(taught.table["suspicion"], plain.table["suspicion"])
    for found in (
        here.calibrate(answers),
        there.calibrate(answers),
        cf.Run.open(tmp_path / "run"),
        learned(here.findings, answers, here.evidence),
    ):
        table = found.table[SAME].astype({"suspicion": float, "q_value": float})
        pd.testing.assert_frame_equal(table, taught.table[SAME], check_dtype=False, rtol=1e-6)
