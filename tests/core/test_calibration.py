from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from calibration_case import answers_to, made_up
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.stats import norm

from chaffinch.core.calibration import DRAWS, Curve, Mixture, design, prior
from chaffinch.core.kinds import HARMFUL, PROBABILITY_COLUMNS


def calibrated(count: int = 30, seed: int = 0, **options):
    findings, right = made_up(seed, **options)
    ask = findings.to_check(count, seed)
    return findings, right, findings.calibrate(answers_to(findings, right, ask["row"]))


def test_the_posterior_is_that_of_a_slow_twin():
    random = np.random.default_rng(0)
    x = np.column_stack([np.ones(40), random.normal(size=(40, 2))])
    wrong = (random.random(40) < 0.3).astype(float)
    prior = Curve(np.array([-1.0, 1.0, 0.0]), np.diag([4.0, 1.0, 0.25]))
    found = prior.learn(x, wrong)

    def cost(at):
        total = 0.0
        for row, said in zip(x, wrong, strict=True):
            chance = 1 / (1 + np.exp(-float(row @ at)))
            total -= np.log(chance if said else 1 - chance)
        away = at - prior.mean
        return total + away @ np.linalg.inv(prior.covariance) @ away / 2

    slow = minimize(cost, prior.mean, tol=1e-10)
    assert found.mean == pytest.approx(slow.x, abs=1e-4)
    step = 1e-3 * np.eye(3)
    curvature = [
        [
            (cost(found.mean + a + b) - cost(found.mean + a - b) - cost(found.mean - a + b)
             + cost(found.mean - a - b)) / 4e-6
            for b in step
        ]
        for a in step
    ]  # fmt: skip
    assert found.covariance == pytest.approx(np.linalg.inv(curvature), rel=1e-3, abs=1e-4)
    spread = np.cov(found.draws().T)
    assert np.sqrt(np.diag(spread)) == pytest.approx(np.sqrt(np.diag(found.covariance)), rel=0.25)


def test_the_evidence_is_that_of_an_integral():
    random = np.random.default_rng(1)
    x = random.normal(1, 1, size=(25, 1))
    wrong = (random.random(25) < 0.7).astype(float)
    before = Curve(np.array([0.5]), np.array([[0.6]]))

    def density(at):
        chance = 1 / (1 + np.exp(-x[:, 0] * at))
        return norm.pdf(at, 0.5, np.sqrt(0.6)) * np.prod(np.where(wrong == 1, chance, 1 - chance))

    told = before.evidence(x, wrong, before.learn(x, wrong))
    assert told == pytest.approx(np.log(quad(density, -5, 6)[0]), abs=0.02)


def test_answers_decide_between_the_sorts_of_data_sets():
    x = np.column_stack([np.ones(30), np.linspace(-3, 3, 30)])
    steep, flat = (Curve(np.array([0.0, one]), 0.01 * np.eye(2)) for one in (3.0, 0.0))
    both = Mixture(np.array([0.5, 0.5]), (steep, flat))
    after = both.learn(x, (x[:, 1] > 0).astype(float))
    assert after.shares[0] > 0.99
    assert len(after.draws()) == len(both.draws()) == DRAWS
    assert (both.draws()[:, 1] > 1.5).sum() == DRAWS // 2
    thirds = Mixture(np.array([1 / 3, 1 / 3, 1 / 3]), (steep, flat, flat)).draws()
    assert len(thirds) == DRAWS


def test_the_prior_fits_the_regressors_of_every_basis():
    findings, _ = made_up()
    x = design(findings.basis)
    assert [len(curve.mean) for curve in prior().curves] == [x.shape[1]] * 2
    judged = findings.basis.features[:, 0].astype(float)
    assert x[:, -2] == pytest.approx(np.clip(judged, -7, 7))
    rate = (1 / (1 + np.exp(-judged))).mean()
    assert x[:, -1] == pytest.approx(np.log(rate / (1 - rate)) + 3, abs=1e-5)
    grouped = prior(("prior", "group")).curves[0]
    assert grouped.mean[-1] == 1
    assert grouped.covariance[-1, :-1] == pytest.approx(0)


def test_findings_hold_what_was_answered():
    findings, right, after = calibrated()
    table = after.table.set_index("id")
    given = findings.table.set_index("id")["given_label"]
    for row in findings.to_check(30)["row"]:
        one = table.loc[f"s{row}"]
        is_wrong = given[f"s{row}"] != right[row]
        assert one["suspicion"] == float(is_wrong)
        assert one["why"] == f"Checked: the label is {'wrong' if is_wrong else 'right'}."
        if is_wrong:
            assert one["flagged"]
            assert one["suggested_label"] == right[row]
            assert one["suggestion_confidence"] == 1
        else:
            assert not one["flagged"]


def test_probabilities_stay_probabilities_and_agree_with_one_another():
    _, _, after = calibrated()
    kinds = after.table[list(PROBABILITY_COLUMNS)]
    assert kinds.sum(axis=1).to_numpy() == pytest.approx(1)
    harm = kinds[[f"p_{kind}" for kind in HARMFUL]].sum(axis=1)
    assert after.table["suspicion"].to_numpy() == pytest.approx(harm.to_numpy())
    assert after.flow.sum() == pytest.approx(len(after))
    facts = after.details["calibration"]
    assert facts["low"] <= facts["rate"] <= facts["high"]
    assert after.estimated_errors == pytest.approx(facts["rate"] * len(after), abs=1e-3)
    assert facts["after"]["flagged"] == after.table["flagged"].sum()
    assert facts["more"][0]["width"] < facts["high"] - facts["low"]
    (whole,) = [one for one in after.details["rates"] if one["of"] == "all"]
    assert whole["rate"] == pytest.approx(facts["rate"], abs=1e-6)
    ranked = after.ranked
    assert ranked["q_value"].is_monotonic_increasing
    assert ranked["flagged"].is_monotonic_decreasing


@pytest.mark.parametrize("believed", [0.6, 1.0, 1.6])
def test_answers_mend_a_suspicion_that_is_far_off(believed):
    gaps, better = [], []
    for seed in range(4):
        findings, right, after = calibrated(seed=seed, believed=believed, sharp=3)
        wrong = findings.table["given_label"].to_numpy() != right
        gaps.append(_best_f1(after, wrong) - _f1(after.table["flagged"].to_numpy(), wrong))
        better.append(abs(after.estimated_errors - wrong.sum()))
    assert np.mean(gaps) < 0.06
    assert np.mean(better) < 0.04 * len(wrong)


def _f1(flagged, wrong):
    return 2 * (flagged & wrong).sum() / (flagged.sum() + wrong.sum())


def _best_f1(findings, wrong):
    suspicion = findings.table["suspicion"].to_numpy()
    return max(_f1(suspicion >= one, wrong) for one in np.unique(suspicion))


def test_the_interval_holds_the_rate_and_the_unbiased_estimate_is_unbiased():
    errors, held, twins = [], [], []
    for seed in range(50):
        findings, right = made_up(seed, count=200)
        wrong = findings.table["given_label"].to_numpy() != right
        ask = findings.to_check(30, seed)
        facts = findings.calibrate(answers_to(findings, right, ask["row"])).details["calibration"]
        held.append(facts["low"] <= wrong.mean() <= facts["high"])
        errors.append(facts["unbiased"] - wrong.mean())
        twins.append((ask["weight"] * wrong[ask["row"]]).sum() / 200 - wrong.mean())
    assert 0.8 <= np.mean(held) <= 1
    for found in (errors, twins):  # the twin is Horvitz and Thompson's, without a regression
        assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(len(found))
    assert np.std(errors) < 1.1 * np.std(twins)  # systematic samples are hard to beat


def test_verdicts_say_as_much_as_labels():
    findings, right = made_up()
    rows = findings.to_check(30)["row"].to_numpy()
    given = findings.table["given_label"].to_numpy()
    by_label = findings.calibrate(answers_to(findings, right, rows))
    by_verdict = findings.calibrate({f"s{row}": bool(given[row] != right[row]) for row in rows})
    assert by_label.table["suspicion"].equals(by_verdict.table["suspicion"])
    assert by_label.details["rates"] == by_verdict.details["rates"]


def test_the_order_of_answers_and_of_samples_changes_nothing():
    findings, right = made_up()
    answers = answers_to(findings, right, findings.to_check(30)["row"])
    backwards = dict(reversed(answers.items()))
    once, again = findings.calibrate(answers), findings.calibrate(backwards)
    assert once.table.equals(again.table)
    order = np.random.default_rng(0).permutation(len(findings))
    basis = findings.basis
    shuffled = replace(
        findings,
        table=findings.table.iloc[order].reset_index(drop=True),
        basis=replace(
            basis,
            features=basis.features[order],
            given=basis.given[order],
            others=basis.others[order],
            shares=basis.shares[order],
        ),
    )
    moved = shuffled.calibrate(answers).table.set_index("id").loc[once.table["id"]]
    assert moved["suspicion"].to_numpy() == pytest.approx(once.table["suspicion"].to_numpy())
    assert (moved["flagged"].to_numpy() == once.table["flagged"].to_numpy()).all()


def test_calibrating_again_begins_at_the_evidence_and_keeps_the_answers():
    findings, right = made_up()
    rows = findings.to_check(60)["row"].to_numpy()
    first, more = answers_to(findings, right, rows[:30]), answers_to(findings, right, rows[30:])
    once = findings.calibrate(first)
    assert once.calibrate(first).table.equals(once.table)
    assert once.calibrate(more).details["calibration"]["answers"] == 60
    whole = findings.calibrate(first | more)
    suspicion = once.calibrate(more).table["suspicion"].to_numpy()
    assert suspicion == pytest.approx(whole.table["suspicion"].to_numpy())
    assert once.calibrate(more).details["calibration"]["before"]["flagged"] == int(
        findings.table["flagged"].sum()
    )
    assert len(once.calibrate(more).notes) == len(once.notes)


@pytest.mark.parametrize("verdict", [True, False])
@pytest.mark.parametrize("count", [1, 30])
def test_one_answer_all_right_and_all_wrong(verdict, count):
    findings, _ = made_up()
    ask = findings.to_check(count)
    after = findings.calibrate(dict.fromkeys(ask["id"], verdict))
    facts = after.details["calibration"]
    assert facts["answers"] == count
    assert facts["wrong"] == count * verdict
    assert np.isfinite(after.table["suspicion"]).all()
    assert facts["low"] <= facts["rate"] <= facts["high"]
    if count == 30:
        assert (after.estimated_errors > findings.estimated_errors) == verdict
    if not verdict:
        assert facts["low"] == 0


def test_disputed_samples_stay_between():
    findings, _ = made_up()
    table = pd.DataFrame(
        {"id": ["s1", "s1", "s2"], "wrong": [True, False, True], "reviewer": ["a", "b", "a"]}
    )
    after = findings.calibrate(table)
    assert after.table["suspicion"][1] == pytest.approx(0.5)
    assert after.table["why"][1] == "Checked: the label is disputed."
    assert after.details["calibration"]["agreement"]["samples"] == 1


def test_answers_chosen_by_suspicion_do_not_count_for_the_unbiased_rate():
    findings, right = made_up()
    worst = findings.ranked.head(40)
    table = pd.DataFrame({"id": worst["id"], "label": right[worst.index]})
    taken = findings.calibrate(table.assign(weight=np.nan)).details["calibration"]
    assert taken["unbiased"] is None
    told = findings.calibrate(table)  # without weights, as if to_check had drawn them
    assert told.details["calibration"]["unbiased"] is None
    assert any("do not look as if" in note for note in told.notes)
    ask = findings.to_check(30)
    both = pd.concat(
        [
            pd.DataFrame({"id": ask["id"], "label": right[ask["row"]], "weight": ask["weight"]}),
            table.assign(weight=np.nan)[~table["id"].isin(ask["id"])],
        ]
    )
    alone = findings.calibrate(answers_to(findings, right, ask["row"]))
    assert findings.calibrate(both).details["calibration"]["unbiased"] == pytest.approx(
        alone.details["calibration"]["unbiased"]
    )


def test_findings_without_a_basis_are_calibrated_by_their_suspicion():
    findings, right = made_up(believed=0.2, sharp=3)
    bare = replace(findings, basis=None)
    ask = bare.to_check(30)
    after = bare.calibrate(answers_to(bare, right, ask["row"]))
    wrong = bare.table["given_label"].to_numpy() != right
    assert _best_f1(after, wrong) - _f1(after.table["flagged"].to_numpy(), wrong) < 0.1
    assert abs(after.estimated_errors - wrong.sum()) < abs(bare.estimated_errors - wrong.sum()) + 20
