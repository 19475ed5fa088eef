"""One scan for all tests of the review, on data that try to break out of the page."""

import shutil

import numpy as np
import pytest
from hostile_labels import CLASSES, EVIL
from insects import insects

import chaffinch as cf
from chaffinch.pipeline.ledger import ledger_for
from chaffinch.review.session import Session
from chaffinch.store.run import RunFolder


@pytest.fixture(scope="session")
def scanned(tmp_path_factory):
    place = tmp_path_factory.mktemp("review")
    table = insects(CLASSES, 0.15, seed=5)
    table["place"] = np.where(np.arange(120) % 2, "Kuusamo", f"</td>{EVIL}")
    table["name"] = [f"{EVIL}&{number}" for number in range(120)]
    table.to_csv(place / "insects.csv", index=False)
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
        return Session(run, ledger_for(run.path), reviewer, **{"checks": 0, **options})

    return make


@pytest.fixture
def session(open_session):
    return open_session()
