"""Groups of a watch reach its findings: labels are judged by the rate of their source."""

import numpy as np
import pytest
import torch

import chaffinch as cf
from chaffinch.core.errors import InputError

SIZE = 600


def watched(groups, ids=None):
    """Two blobs, of which one in ten samples is of a source with half of its labels wrong."""
    random = np.random.default_rng(0)
    truth = random.integers(0, 2, SIZE)
    x = torch.from_numpy(random.normal(size=(SIZE, 2)) + 1.5 * truth[:, None]).float()
    bad = np.arange(SIZE) % 10 == 0
    given = np.where(bad & (random.random(SIZE) < 0.5), 1 - truth, truth)
    y, model = torch.from_numpy(given), torch.nn.Linear(2, 2)
    steps = torch.optim.Adam(model.parameters(), lr=0.05)
    rows = torch.arange(SIZE)[random.permutation(SIZE)]
    kept = rows if ids is None else rows[np.isin(rows, ids)]
    with cf.watch(model, SIZE, groups=groups) as watch:
        for _ in watch.epochs(6):
            for batch in kept.split(60):
                steps.zero_grad()
                watch.loss(model(x[batch]), y[batch], batch).backward()
                steps.step()
    return watch, given != truth


SOURCES = np.where(np.arange(SIZE) % 10 == 0, "agency", "staff")


@pytest.fixture(scope="module")
def by_source():
    return watched(SOURCES)


def test_labels_are_judged_by_the_rate_of_their_source(by_source):
    watch, wrong = by_source
    findings = watch.findings(scorers=[])
    rates = findings.rates.query("of == 'group'").set_index("name")["rate"]
    assert rates["agency"] > 4 * rates["staff"]
    alike = watched(None)[0].findings(scorers=[])
    of_agency = SOURCES == "agency"
    missed = wrong & ~alike.table["flagged"].to_numpy() & of_agency
    now = findings.table["flagged"].to_numpy()
    assert now[missed].sum() > 0
    assert now[~of_agency].sum() <= alike.table["flagged"].to_numpy()[~of_agency].sum()


def test_groups_follow_the_samples_that_came():
    seen = np.arange(0, SIZE, 3)
    evidence = watched(SOURCES, seen)[0].evidence()
    names = np.asarray(evidence.groups.names)[evidence.groups.codes]
    assert names.tolist() == SOURCES[seen].tolist()


def test_groups_survive_the_folder_of_the_evidence(by_source, tmp_path):
    run = by_source[0].run(out=tmp_path / "run")
    assert set(run.findings.rates.query("of == 'group'")["name"]) == {"agency", "staff"}


def test_a_group_for_every_sample_is_refused():
    with pytest.raises(InputError, match="groups of several samples each"):
        cf.watch(torch.nn.Linear(2, 2), SIZE, groups=np.arange(SIZE))
