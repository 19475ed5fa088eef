from pathlib import Path

import fake_experiment
import pytest
from fake_suite import declare

from benchmarks.engine.plan import Choice, plan_suite
from benchmarks.engine.results import gather, with_settings
from benchmarks.engine.suite import parse_suite
from benchmarks.engine.worker import measure


@pytest.fixture
def make_plan():
    def make(*parts, **choice):
        return plan_suite(parse_suite(declare(*parts), "fake"), Choice(**choice))

    return make


@pytest.fixture
def measured(make_plan, tmp_path):
    """The plan of some parts, and its results with settings, measured in this process."""

    def run(*parts, **choice):
        plan = make_plan(*parts, **choice)
        failures = [one for job in plan.jobs for one in measure(job, tmp_path / "cache")]
        return plan, with_settings(gather(plan, tmp_path / "cache", failures))

    return run


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    """Workers import the fake experiment by its name."""
    monkeypatch.syspath_prepend(str(Path(fake_experiment.__file__).parent))
