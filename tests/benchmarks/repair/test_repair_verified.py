"""The experiment on what ``verify`` says."""

import pytest

from benchmarks.catalogue import load_catalogue
from benchmarks.cell import Cell
from benchmarks.experiments.repair.verified import repair_verified
from chaffinch.core.edit import Edit
from chaffinch.repair.plan import Plan

load_catalogue()

SETTINGS = {"size": 300, "test": 300, "epochs": 3, "folds": 2, "learning_rate": 0.01}


def cell(glitch, rate):
    return Cell(
        suite="x",
        experiment="repair_verified",
        data="digits",
        model="mlp",
        glitch=glitch,
        rate=rate,
        seed=100,
        settings=SETTINGS,
    )


def run(monkeypatch, tmp_path, glitch, rate, plan_of):
    from benchmarks.experiments.repair import verified

    monkeypatch.setattr(verified, "plans_for", lambda names, _, on: {names[0]: plan_of(on)})
    found = repair_verified.function(cell(glitch, rate), ["mine"], tmp_path)
    return {(m.metric, m.group): m.value for m in found}


def test_an_empty_plan_needs_no_training(monkeypatch, tmp_path):
    found = run(monkeypatch, tmp_path, "none", 0.0, lambda _: Plan())
    assert found["verdict", "no repair needed"] == 1.0
    assert found["verdict", "helps"] == found["verdict", "harms"] == 0.0
    assert found["right", ""] == 1.0
    assert found["verified_gain", ""] == found["withheld", ""] == 0.0


@pytest.mark.slow
def test_the_right_labels_help(monkeypatch, tmp_path):
    def right_labels(situation):
        evidence = situation.evidence
        return Plan(
            tuple(
                Edit(str(name), "relabel", "mislabelled", str(given), str(right))
                for name, given, right in zip(
                    evidence.ids, evidence.labels.codes, situation.truth, strict=True
                )
                if given != right
            )
        )

    found = run(monkeypatch, tmp_path, "uniform_flips", 0.4, right_labels)
    assert found["verdict", "helps"] == found["right", ""] == 1.0
    assert found["verified_gain", ""] > 5 > found["control_gain", ""]
