"""Scorers from logits against their definitions in loops."""

from dataclasses import replace

import numpy as np
import pytest
import slow_twin as slow
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.core.evidence import Evidence
from chaffinch.core.labels import Labels
from chaffinch.scorers import SCORERS
from chaffinch.scorers.dynamics.aum import area_under_margin
from chaffinch.scorers.dynamics.averaged_margin import margin_of_average
from chaffinch.scorers.dynamics.loss import mean_loss
from chaffinch.scorers.labels.quality import quality_by_confidence, quality_by_margin
from chaffinch.scorers.probability import log_softmax, softmax

SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(2, 5))
SEEDS = st.integers(0, 10_000)
drawn = given(shape=SHAPES, seed=SEEDS)


def expect(got, wanted):
    np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-12)


def over_samples(function, logits, codes):
    """Apply a function of the epochs' rows (E, C) and the label to every sample."""
    return [function(logits[:, n].tolist(), int(code)) for n, code in enumerate(codes)]


@drawn
def test_softmax(shape, seed):
    logits, _ = slow.draw(shape, seed)
    wanted = [slow.softmax(row) for row in logits[0].tolist()]
    expect(softmax(logits[0]), wanted)
    losses = [[-slow.cross_entropy(row, k) for k in range(shape[2])] for row in logits[0].tolist()]
    expect(log_softmax(logits[0]), losses)


@drawn
def test_mean_loss(shape, seed):
    logits, codes = slow.draw(shape, seed)
    wanted = over_samples(
        lambda rows, code: slow.mean(slow.cross_entropy(row, code) for row in rows), logits, codes
    )
    expect(mean_loss(logits, codes), wanted)


@drawn
def test_area_under_margin(shape, seed):
    logits, codes = slow.draw(shape, seed)
    wanted = over_samples(
        lambda rows, code: slow.mean(slow.margin(row, code) for row in rows), logits, codes
    )
    expect(area_under_margin(logits, codes), wanted)


@drawn
def test_margin_of_averaged_probabilities(shape, seed):
    logits, codes = slow.draw(shape, seed)

    def one(rows, code):
        passes = [slow.softmax(row) for row in rows]
        return slow.margin([slow.mean(column) for column in zip(*passes, strict=True)], code)

    wanted = over_samples(one, logits, codes)
    expect(margin_of_average(logits, codes), wanted)
    assert np.abs(wanted).max() <= 1


@drawn
def test_label_quality(shape, seed):
    logits, codes = slow.draw(shape, seed)
    rows = [slow.softmax(row) for row in logits[-1].tolist()]
    probabilities = np.asarray(rows)
    own = [row[code] for row, code in zip(rows, codes, strict=True)]
    expect(quality_by_confidence(probabilities, codes), own)
    halves = [(slow.margin(row, code) + 1) / 2 for row, code in zip(rows, codes, strict=True)]
    expect(quality_by_margin(probabilities, codes), halves)


@drawn
def test_scorers_turn_the_definitions_so_that_higher_is_worse(shape, seed):
    logits, codes = slow.draw(shape, seed)
    held_out, _ = slow.draw(shape, seed + 1)
    evidence = Evidence(
        np.arange(shape[1]).astype(str),
        Labels(codes, np.arange(shape[2])),
        logits=logits,
        held_out_logits=held_out,
    )
    last = softmax(held_out[-1])
    expect(SCORERS["loss_mean"](evidence), mean_loss(logits, codes))
    expect(SCORERS["loss_last"](evidence), mean_loss(logits[-1:], codes))
    expect(SCORERS["aum"](evidence), -area_under_margin(logits, codes))
    expect(SCORERS["averaged_margin"](evidence), -margin_of_average(logits, codes))
    expect(SCORERS["self_confidence"](evidence), 1 - quality_by_confidence(last, codes))
    expect(SCORERS["normalized_margin"](evidence), 1 - quality_by_margin(last, codes))


@pytest.mark.parametrize("name", ["self_confidence", "normalized_margin"])
def test_label_quality_prefers_held_out_predictions(name, synthetic):
    evidence = synthetic().evidence
    both = SCORERS[name](evidence)
    held_out = SCORERS[name](replace(evidence, logits=None))
    trained = SCORERS[name](replace(evidence, held_out_logits=None))
    np.testing.assert_array_equal(both, held_out)
    assert not np.array_equal(both, trained)
