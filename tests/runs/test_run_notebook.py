"""What a notebook shows of a run."""

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")
from matplotlib import pyplot

import chaffinch as cf
from chaffinch.core.errors import InputError


@pytest.fixture
def judged(tmp_path, monkeypatch):
    monkeypatch.setenv("CHAFFINCH_LEDGER", "none")
    rng = np.random.default_rng(0)
    right = np.arange(90) % 3
    given = np.where(rng.random(90) < 0.12, (right + 1) % 3, right)
    vectors = (rng.normal(size=(90, 6)) + 6 * np.eye(3, 6)[right]).astype(np.float32)
    chances = 0.05 + 0.85 * np.eye(3)[right]

    def make(out=None):
        return cf.judge(given, probabilities=chances, embeddings=vectors, out=out)

    return make


@pytest.mark.parametrize("kept", [True, False])
def test_a_run_draws_the_map_of_its_embedding(judged, tmp_path, kept):
    run = judged(tmp_path / "run" if kept else None)
    axes = run.plot("map", colour="given_label")
    assert sum(len(one.get_offsets()) for one in axes.collections) == 90
    pyplot.close("all")


def test_a_map_without_an_embedding_is_refused():
    chances = np.tile([[0.9, 0.1], [0.2, 0.8]], (20, 1))
    run = cf.judge(np.resize([0, 1], 40), probabilities=chances)
    with pytest.raises(InputError, match="points"):
        run.plot("map")


def test_the_report_is_a_path_that_a_notebook_shows_in_a_closed_frame(judged, tmp_path):
    run = judged(tmp_path / "run")
    report = run.report()
    assert report == tmp_path / "run" / "report.html"
    assert report.is_file()
    frame = report._repr_html_()
    assert frame.startswith('<iframe title="Report" sandbox="allow-scripts" srcdoc="')
    assert "<script" not in frame
    assert "<b>Run, " in run._repr_html_()
    assert "flagged" in run._repr_html_()


def test_the_outcome_of_a_verification_is_a_table(judged):
    from chaffinch.pipeline.verification.outcome import Outcome, Part
    from chaffinch.pipeline.verification.statistic import Interval
    from chaffinch.repair.plan import Plan

    gain = Interval(0.021, 0.01, 0.03)
    part = Part("<b>", 3, gain, None, True)
    outcome = Outcome("helps", gain, gain, {}, (part,), Plan(), 5, 8, "200 held-out samples")
    text = outcome._repr_html_()
    assert "+2.10 (+1.00 to +3.00)" in text
    assert "3, withheld" in text
    assert "&lt;b&gt;" in text
    assert "200 held-out samples" in text
