import gc
import weakref
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.core.errors import InputError
from chaffinch.core.evidence import _SHAPES, Evidence
from chaffinch.core.labels import Labels
from chaffinch.core.scorer import Scorer, once_per_evidence
from chaffinch.scorers import SCORERS

IDS = np.asarray(["a", "b", "c", "d"])
LABELS = Labels.of([0, 1, 2, 0])


def of(**records):
    return Evidence(IDS, LABELS, **records)


def test_records_are_listed_and_looked_up(synthetic):
    evidence = of(embeddings=np.ones((4, 2)))
    assert list(evidence.records) == ["embeddings"]
    assert evidence.has("embeddings")
    assert not evidence.has("logits")
    assert evidence.need("embeddings") is evidence.embeddings
    assert evidence.need_any("features", "embeddings") is evidence.embeddings
    assert len(evidence) == 4
    assert set(synthetic().evidence.records) == set(_SHAPES)  # the contract tests rest on it


def test_a_missing_record_is_named_with_those_that_are_there():
    with pytest.raises(InputError, match=r"the record 'logits'; got only labels\. Collect it"):
        of().need("logits")
    both = of(embeddings=np.ones((4, 2)), learning_rates=np.ones(3))
    with pytest.raises(InputError, match="'logits' or 'features'; got only embeddings, learning_r"):
        both.need_any("logits", "features")


def test_evidence_is_frozen():
    with pytest.raises(FrozenInstanceError):
        of().logits = np.ones((1, 4, 3))


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ({"logits": np.ones((2, 4, 2))}, r"logits of shape \(E, N=4, C=3\); got shape \(2, 4, 2\)"),
        ({"logits": np.ones((2, 3, 3))}, r"logits of shape \(E, N=4, C=3\); got shape \(2, 3, 3\)"),
        ({"logits": np.ones((4, 3))}, r"\(E, N=4, C=3\); got shape \(4, 3\). Check the axes"),
        ({"logits": np.ones((0, 4, 3))}, "at least one epoch in logits; got none"),
        ({"held_out_logits": np.ones((1, 4, 4))}, r"held_out_logits of shape \(F, N=4, C=3\)"),
        ({"features": np.ones((3, 2))}, r"features of shape \(N=4, I\); got shape \(3, 2\)"),
        ({"feature_norms": np.ones((4, 2))}, r"feature_norms of shape \(E, N=4\)"),
        ({"embeddings": np.ones(4)}, r"embeddings of shape \(N=4, K\); got shape \(4,\)"),
        ({"learning_rates": np.ones((2, 1))}, r"learning_rates of shape \(E\)"),
        (
            {"features": np.ones((4, 2)), "validation_features": np.ones((5, 3))},
            r"validation_features of shape \(M, I=2\); got shape \(5, 3\)",
        ),
        (
            {"validation_logits": np.ones((5, 3)), "validation_codes": np.ones(6, np.int64)},
            r"validation_codes of shape \(M=5\); got shape \(6,\)",
        ),
    ],
)
def test_shapes_that_do_not_agree(records, words):
    with pytest.raises(InputError, match=words):
        of(**records)


def test_epochs_may_differ_between_the_full_run_and_the_folds():
    evidence = of(logits=np.ones((2, 4, 3)), held_out_logits=np.ones((5, 4, 3)))
    assert evidence.need("held_out_logits").shape[0] == 5


def test_ids_and_labels_have_one_length():
    with pytest.raises(InputError, match=r"as many labels as ids \(3\); got 4. Align them by id"):
        Evidence(IDS[:3], LABELS)


@given(st.lists(st.integers(0, 23), unique=True, max_size=24), st.sampled_from([np.nan, np.inf]))
def test_numbers_that_are_not_finite_are_counted(places, value):
    logits = np.zeros(24)
    logits[places] = value
    if not places:
        of(logits=logits.reshape(2, 4, 3))
        return
    with pytest.raises(InputError, match=f"in logits; got {len(places)} NaN or infinite values"):
        of(logits=logits.reshape(2, 4, 3))


def test_the_last_number_of_a_long_record_is_checked():
    # More rows than are looked at together.
    long = np.zeros((4, 1_300_000), np.float32)
    long[3, -1] = np.nan
    with pytest.raises(InputError, match="embeddings; got 1 NaN"):
        of(embeddings=long)


def test_taking_some_cuts_every_record_of_samples(synthetic):
    evidence = synthetic().evidence
    index = np.asarray([9, 2, 2, 100])
    some = evidence.take(index)
    assert some.ids.tolist() == ["s9", "s2", "s2", "s100"]
    assert some.labels.codes.tolist() == evidence.labels.codes[index].tolist()
    for name in ("logits", "held_out_logits", "feature_norms"):
        np.testing.assert_array_equal(some.need(name), evidence.need(name)[:, index])
    for name in ("features", "embeddings"):
        np.testing.assert_array_equal(some.need(name), evidence.need(name)[index])
    for name in ("learning_rates", "validation_logits", "validation_features", "validation_codes"):
        assert some.need(name) is evidence.need(name)
    assert replace(evidence, bias=False).take(index).bias is False


def test_what_scorers_share_is_computed_once():
    calls = []
    remembered = once_per_evidence(lambda evidence: calls.append(evidence) or len(calls))
    one, other = of(), of()
    assert [remembered(e) for e in (one, one, other, one)] == [1, 1, 2, 1]


def test_what_scorers_share_is_told_apart_by_its_options():
    calls = []
    remembered = once_per_evidence(lambda _evidence, seed: calls.append(seed) or len(calls))
    one = of()
    assert [remembered(one, seed) for seed in (5, 6, 5)] == [1, 2, 1]
    assert remembered(one, seed=6) == remembered(one, seed=6) == 3


def test_what_scorers_share_is_forgotten_with_the_evidence(synthetic):
    class Big:
        pass

    remembered = once_per_evidence(lambda _evidence: Big())
    evidence = synthetic().evidence
    result = weakref.ref(remembered(evidence))
    for name in SCORERS:
        SCORERS[name](evidence)
    alive = weakref.ref(evidence)
    assert result() is not None
    del evidence
    gc.collect()
    assert alive() is None
    assert result() is None


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        (np.ones(3), r"from scorer 'mine'; got shape \(3,\) with 0 not finite"),
        (np.ones((4, 1)), r"got shape \(4, 1\)"),
        (np.asarray([0, np.nan, np.inf, 1]), r"shape \(4,\) with 2 not finite"),
    ],
)
def test_a_scorer_that_yields_no_scores_is_refused(scores, words):
    mine = Scorer("mine", "own", (), "", "", lambda _evidence, _seed: scores)
    with pytest.raises(InputError, match=words):
        mine(of())
