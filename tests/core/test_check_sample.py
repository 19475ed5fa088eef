import numpy as np
import pytest
from calibration_case import made_up
from hypothesis import given, settings
from hypothesis import strategies as st

from chaffinch.core.check_sample import draw, inclusion, sizes, strata
from chaffinch.core.errors import InputError
from chaffinch.core.recalibration import before


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(0, 60), st.integers(0, 1000))
def test_a_draw_has_the_size_asked_for_and_no_sample_twice(count, more, seed):
    random = np.random.default_rng(seed)
    chance = random.random(count + more) ** 3
    size = sizes(chance)
    pi = inclusion(size, count)
    assert pi.sum() == pytest.approx(count)
    assert (pi > 0).all()
    assert (pi <= 1).all()
    codes = random.integers(0, 3, len(chance))
    rows = draw(pi, strata(chance, size), codes, count, random)
    assert len(set(rows.tolist())) == len(rows) == count


def test_samples_are_drawn_as_often_as_their_weights_say():
    findings, _ = made_up(count=80)
    chance = findings.table["suspicion"].to_numpy()
    pi, number = inclusion(sizes(chance), 12), strata(chance, sizes(chance))
    draws, seen, random = 3000, np.zeros(80), np.random.default_rng(0)
    for _ in range(draws):
        seen[draw(pi, number, findings.basis.given, 12, random)] += 1
    assert (seen > 0).all()
    error = np.sqrt(pi * (1 - pi) / draws)
    assert (np.abs(seen / draws - pi) < 4 * error + 1e-9).all()
    ask = findings.to_check(12)
    pi = inclusion(sizes(before(findings.basis)), 12)
    assert ask["weight"].to_numpy() == pytest.approx(1 / pi[ask["row"]])


def test_every_stratum_of_suspicion_gets_its_share():
    findings, _ = made_up(count=2000)
    ask = findings.to_check(35)
    assert ask["stratum"].value_counts().between(4, 6).all()
    assert ask["stratum"].nunique() == 7
    drawn = findings.table["suspicion"].to_numpy()[ask["row"]]
    middle = findings.table["suspicion"].between(0.05, 0.95).mean()
    assert ((drawn > 0.05) & (drawn < 0.95)).mean() > 1.5 * middle


def test_classes_are_drawn_evenly_within_a_stratum():
    random = np.random.default_rng(0)
    codes = np.repeat([0, 1, 2], 100)
    pi = np.full(300, 0.1)
    rows = draw(pi, np.zeros(300, dtype=np.int64), codes, 30, random)
    assert np.bincount(codes[rows]).tolist() == [10, 10, 10]


def test_more_than_there_are_means_all_with_weight_one():
    findings, _ = made_up(count=20)
    ask = findings.to_check(50)
    assert sorted(ask["row"]) == list(range(20))
    assert (ask["weight"] == 1).all()


def test_the_same_seed_draws_the_same_and_another_seed_others():
    findings, _ = made_up()
    assert findings.to_check(30, 1).equals(findings.to_check(30, 1))
    assert set(findings.to_check(30, 1)["id"]) != set(findings.to_check(30, 2)["id"])
    assert findings.to_check()["id"].tolist() != sorted(findings.to_check()["id"])


def test_what_was_answered_is_not_asked_again():
    findings, right = made_up()
    ask = findings.to_check(30)
    later = findings.calibrate(dict(zip(ask["id"], right[ask["row"]], strict=True)))
    assert not set(later.to_check(100)["id"]) & set(ask["id"])


def test_nothing_to_check_is_an_error():
    findings, right = made_up(count=20)
    with pytest.raises(InputError, match="at least one sample to check"):
        findings.to_check(0)
    done = findings.calibrate(dict(zip(findings.table["id"], right, strict=True)))
    with pytest.raises(InputError, match="nobody has checked"):
        done.to_check(3)
