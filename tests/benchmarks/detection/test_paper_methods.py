"""Signals as published differ from the library's own in what their summaries say."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.methods import paper
from chaffinch.scorers import SCORERS
from chaffinch.scorers.signals import signal_by_epoch


@pytest.fixture
def evidence(synthetic):
    return synthetic(num_samples=60).evidence


def test_the_published_sign_is_the_other_one(evidence):
    ours = SCORERS["mean_influence"](evidence)
    np.testing.assert_array_equal(paper.mean_influence(evidence), -ours)


def test_a_class_without_validation_samples_is_not_hurt_as_published(evidence):
    np.testing.assert_array_equal(paper.gd_class(evidence), SCORERS["gd_class"](evidence))
    codes = np.zeros_like(evidence.validation_codes)
    only_one = replace(evidence, validation_codes=codes)
    harm = SCORERS["mean_influence"](only_one)  # all of it is on the only class there is
    assert (harm < 0).any()
    np.testing.assert_array_equal(paper.gd_class(only_one), np.maximum(harm, 0))


def test_the_published_cnci_is_that_of_the_last_epoch(evidence):
    last = signal_by_epoch(evidence, "cnci")[-1]
    np.testing.assert_array_equal(paper.cnci(evidence), last)
    assert not np.array_equal(last, SCORERS["cnci"](evidence))
