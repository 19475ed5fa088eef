"""Fusing by rank, and choosing scorers by name, family or default."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.core.errors import InputError
from chaffinch.core.scorer import scorer
from chaffinch.diagnosis.judgement import choose_scorers
from chaffinch.scorers import DEFAULT_SCORERS, SCORERS, choose, fuse, mean_rank


def slow_mean_rank(columns):
    """Share of the samples below, and half of those that are equal."""
    size = len(columns[0])
    found = []
    for n in range(size):
        shares = [
            (sum(v < column[n] for v in column) + sum(v == column[n] for v in column) / 2) / size
            for column in columns
        ]
        found.append(sum(shares) / len(shares))
    return found


@given(
    st.integers(1, 8).flatmap(
        lambda n: st.lists(
            st.lists(st.integers(-3, 3), min_size=n, max_size=n), min_size=1, max_size=4
        )
    )
)
def test_mean_rank(columns):
    fused = mean_rank([np.asarray(column) for column in columns])
    np.testing.assert_allclose(fused, slow_mean_rank(columns))
    assert ((fused > 0) & (fused < 1)).all()


def test_ranks_know_no_scale():
    one, other = np.asarray([1.0, 2.0, 3.0]), np.asarray([1e9, 2e9, -1e9])
    np.testing.assert_allclose(mean_rank([one, other]), mean_rank([one, other * 1e-9]))


@pytest.mark.parametrize(
    "scores", [[], [np.zeros(2), np.zeros(3)], [np.zeros((2, 2))]], ids=["none", "lengths", "axes"]
)
def test_scores_that_do_not_fit_are_refused(scores):
    with pytest.raises(InputError, match="array of scores, all"):
        mean_rank(scores)


def test_several_trainings_are_fused_by_id(synthetic):
    first, second = synthetic(seed=1).evidence, synthetic(seed=2).evidence
    aum = SCORERS["aum"]
    wanted = mean_rank([aum(first), aum(second)])
    order = np.random.default_rng(0).permutation(len(second))
    np.testing.assert_allclose(fuse(aum, [first, second.take(order)]), wanted)
    assert fuse(aum, [first.take(order[:0])]).shape == (0,)


def test_evidence_of_other_samples_is_not_fused(synthetic):
    evidence = synthetic().evidence
    others = replace(evidence, ids=np.char.add(evidence.ids, "x"))
    with pytest.raises(InputError, match="same ids"):
        fuse(SCORERS["aum"], [evidence, others])
    with pytest.raises(InputError, match="at least one evidence"):
        fuse(SCORERS["aum"], [])


def names_of(choices):
    return [choice.scorer.name for choice in choices]


def test_by_default_the_usual_scorers_are_meant():
    assert names_of(choose(None)) == sorted(DEFAULT_SCORERS)
    assert not any(choice.by_name for choice in choose(None))


def test_a_scorer_of_ones_own_is_meant_too(monkeypatch):
    monkeypatch.setattr(SCORERS, "_items", dict(SCORERS.items()))

    @scorer("zzz_own", family="dynamics", needs=("logits",), paper="none")
    def own(evidence, _seed):
        """Nothing."""
        return np.zeros(len(evidence))

    assert names_of(choose(None)) == [*sorted(DEFAULT_SCORERS), "zzz_own"]


def test_names_families_and_all():
    family = [name for name, s in SCORERS.items() if s.family == "signals"]
    chosen = choose(["loss_mean", "signals", "cnci", "loss_mean"])
    assert names_of(chosen) == ["loss_mean", *family]
    by_name = {choice.scorer.name for choice in chosen if choice.by_name}
    assert by_name == {"loss_mean", "cnci"}
    assert names_of(choose(["all"])) == list(SCORERS)
    assert choose([]) == []
    with pytest.raises(InputError, match="Did you mean 'aum'"):
        choose(["aun"])


def test_what_cannot_run_is_left_out_unless_it_was_named(synthetic):
    bare = synthetic().only("logits")
    names = [s.name for s in choose_scorers(bare, ["all"])]
    assert "aum" in names
    assert "cnci" not in names
    named = [s.name for s in choose_scorers(bare, ["cnci", "signals"])]
    assert named == ["cnci"]


def test_a_detector_of_pyod_is_meant_by_its_name():
    pytest.importorskip("pyod")
    (choice,) = choose(["pyod:HBOS"])
    assert choice.by_name
    assert "HBOS" in choice.scorer.name
