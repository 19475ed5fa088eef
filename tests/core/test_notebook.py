"""HTML and plots for notebooks."""

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")
from matplotlib import pyplot

from chaffinch.core.edit import Edit
from chaffinch.core.errors import InputError
from chaffinch.core.findings import Findings
from chaffinch.core.notebook import shown
from chaffinch.repair.plan import Plan

EVIL = "<script>alert('x')</script>"


@pytest.fixture
def findings():
    flagged = np.arange(60) < 9
    table = pd.DataFrame(
        {
            "id": [f"{EVIL}{number}" for number in range(60)],
            "given_label": np.resize(["a", EVIL, "c"], 60),
            "suspicion": np.linspace(0.99, 0, 60),
            "flagged": flagged,
            "kind": np.where(flagged, "mislabelled", "clean"),
            "suggested_label": np.where(flagged, "b", None),
            "suggestion_confidence": np.where(flagged, 0.9, np.nan),
            "q_value": np.linspace(0, 0.9, 60),
            "why": [EVIL] * 60,
        }
    )
    return Findings(table, np.array(["a", "b", "c", EVIL]), 9.0, notes=(EVIL,))


def test_html_says_what_the_repr_says_and_shows_the_worst(findings):
    text = findings._repr_html_()
    assert "60 samples, 9 flagged" in text
    assert text.count("<tr>") == 9  # the head and eight rows
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "nan" not in text


def test_a_plan_shows_its_counts_and_first_edits():
    plan = Plan((Edit(EVIL, "trim", reason=EVIL), Edit("b", "trim")), policy="balanced")
    text = plan._repr_html_()
    assert "<td style='text-align:left'>trim</td>" in text
    assert "<script>" not in text
    assert "<table" not in Plan()._repr_html_()


def test_long_and_odd_values_are_short_text():
    text = shown("t", ["x" * 900], [(("a",), [("y" * 500,), (0.123456,), (None,)])])
    assert "x" * 599 + "…" in text
    assert "y" * 119 + "…" in text
    assert "0.123" in text


@pytest.mark.parametrize("kind", ["scores", "classes", "curves"])
def test_findings_are_drawn(findings, kind):
    axes = findings.plot(kind)
    assert axes.get_xlabel()
    assert axes.get_ylabel()
    pyplot.close("all")


def test_the_map_shows_every_sample_that_has_a_place(findings):
    points = np.random.default_rng(0).uniform(size=(60, 2))
    _, own = pyplot.subplots()
    axes = findings.plot("map", own, points=points)
    assert axes is own
    assert sum(len(one.get_offsets()) for one in axes.collections) == 60
    findings.plot("map", points=points, colour="suspicion")
    pyplot.close("all")


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "pie"},
        {"kind": "map"},
        {"kind": "map", "points": np.zeros((3, 2))},
        {"kind": "map", "points": np.zeros((60, 2)), "colour": "nothing"},
    ],
)
def test_what_cannot_be_drawn_is_refused(findings, wrong):
    with pytest.raises(InputError):
        findings.plot(**wrong)


def test_nothing_flagged_can_be_drawn_too(findings):
    none = Findings(
        findings.table.assign(flagged=False, suggested_label=None), findings.classes, 0.0
    )
    for kind in ("scores", "classes", "curves"):
        none.plot(kind)
    pyplot.close("all")
    assert "<table" not in none._repr_html_()
