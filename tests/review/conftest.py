"""One scan for all tests of the review, on data that try to break out of the page."""

import shutil

import numpy as np
import pandas as pd
import pytest
from hostile_labels import CLASSES, EVIL

import chaffinch as cf
from chaffinch.bench.inject import uniform_flips
from chaffinch.pipeline.ledger import ledger_for
from chaffinch.review.session import Session
from chaffinch.store.run import RunFolder


@pytest.fixture(scope="session")
def scanned(tmp_path_factory):
    place = tmp_path_factory.mktemp("review")
    random = np.random.default_rng(5)
    truth = np.repeat([0, 1, 2], 40)
    centres = np.array([[0, 0, 0, 0], [5, 0, 5, 0], [0, 5, 0, 5]])
    table = pd.DataFrame(centres[truth] + random.normal(size=(120, 4)), columns=list("abcd"))
    table["place"] = np.where(np.arange(120) % 2, "Kuusamo", f"</td>{EVIL}")
    table["name"] = [f"{EVIL}&{number}" for number in range(120)]
    labels, _ = uniform_flips(np.array(CLASSES)[truth], 0.15, seed=3)
    table.assign(label=labels).to_csv(place / "insects.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHAFFINCH_LEDGER", "none")
        cf.scan(
            place / "insects.csv",
            out=place / "run",
            label="label",
            id_column="name",
            epochs=6,
            folds=2,
        )
    return place


@pytest.fixture
def place(scanned, tmp_path, monkeypatch):
    """The data and the run, in a folder of the test's own; the run looks for the data elsewhere."""
    monkeypatch.delenv("CHAFFINCH_LEDGER", raising=False)
    shutil.copytree(scanned, tmp_path / "place")
    return tmp_path / "place"


@pytest.fixture
def open_session(place):
    """Sessions of several reviewers on the same ledger."""

    def make(reviewer="Ann", **options):
        run = RunFolder(place / "run")
        return Session(run, ledger_for(run.path), reviewer, **options)

    return make


@pytest.fixture
def session(open_session):
    return open_session()
