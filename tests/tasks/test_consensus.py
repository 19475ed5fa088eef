import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import check_grad

import chaffinch as cf
from chaffinch.core.errors import InputError
from chaffinch.tasks.annotators import krippendorff_alpha, read_answers
from chaffinch.tasks.annotators.assignment import information_gain
from chaffinch.tasks.annotators.consensus import _without_own
from chaffinch.tasks.annotators.dawid_skene import Fit, dawid_skene, posterior_of
from chaffinch.tasks.annotators.glad import _negative_log_posterior


def simulated(seed=0, N=300, W=8, C=3, each=3, skill=(0.95, 0.5)):
    """Long table and true labels; annotators from skilled to poor."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, C, N)
    skills = np.linspace(*skill, W)
    rows = []
    for sample in range(N):
        for who in random.choice(W, each, replace=False):
            right = random.random() < skills[who]
            other = (truth[sample] + random.integers(1, C)) % C
            rows.append((f"s{sample}", f"w{who}", "abc"[truth[sample] if right else other]))
    table = pd.DataFrame(rows, columns=["sample", "annotator", "label"])
    return table, pd.Series(["abc"[c] for c in truth], [f"s{i}" for i in range(N)]), skills


def accuracy(found, truth):
    return (found.table["label"].to_numpy() == truth[found.table["id"]].to_numpy()).mean()


votes_of = st.lists(
    st.lists(st.integers(0, 4), min_size=3, max_size=3), min_size=1, max_size=8
).map(lambda rows: np.asarray(rows, float))


@given(votes_of)
def test_alpha_is_that_of_all_pairs_one_by_one(votes):
    values, observed, pairs = [], 0.0, 0.0
    for row in votes:
        answers = [c for c, times in enumerate(row) for _ in range(int(times))]
        if len(answers) < 2:
            continue
        values += answers
        for one, other in itertools.permutations(answers, 2):
            observed += (one != other) / (len(answers) - 1)
        pairs += len(answers)
    expected = sum(one != other for one, other in itertools.permutations(values, 2))
    alpha = krippendorff_alpha(votes)
    if not values:
        assert np.isnan(alpha)
    elif expected == 0:
        assert alpha == 1
    else:
        expected /= len(values) - 1
        assert alpha == pytest.approx(1 - observed / expected)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(2, 4))
def test_posterior_is_bayes_rule_one_answer_at_a_time(seed, C):
    random = np.random.default_rng(seed)
    N, W = 6, 3
    table = np.where(random.random((N, W)) < 0.3, np.nan, random.integers(0, C, (N, W)))
    table[0] = [0, min(1, C - 1), C - 1]
    answers = read_answers(table)
    C = len(answers.classes)
    confusion = random.dirichlet(np.ones(C), (W, C))
    prior = random.dirichlet(np.ones(C), N)
    got = posterior_of(answers.given(), confusion, prior)
    for i in range(N):
        want = prior[i].copy()
        for who in range(W):
            if not np.isnan(table[i, who]):
                want *= confusion[who][:, answers.classes.index(int(table[i, who]))]
        assert got[i] == pytest.approx(want / want.sum())


def test_quality_looks_at_what_the_others_say():
    table, _, _ = simulated(N=20)
    answers = read_answers(table)
    fit = dawid_skene(answers)
    rest = _without_own(answers, fit)
    for a in range(0, len(rest), 7):
        want = np.log(fit.prior[0])
        for b in np.flatnonzero(answers.sample == answers.sample[a]):
            if b != a:
                want = want + np.log(fit.confusion[answers.annotator[b]][:, answers.label[b]])
        want = np.exp(want - want.max())
        assert rest[a] == pytest.approx(want / want.sum())


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_information_gain_is_the_expected_drop_of_entropy(seed):
    random = np.random.default_rng(seed)
    C = 3
    posterior = random.dirichlet(np.ones(C), 1)
    confusion = random.dirichlet(np.ones(C), C)

    def entropy(p):
        return -(p * np.log(p)).sum()

    after = 0.0
    for answer in range(C):
        joint = posterior[0] * confusion[:, answer]
        after += joint.sum() * entropy(joint / joint.sum())
    gain = information_gain(posterior, confusion)
    assert gain[0] == pytest.approx(entropy(posterior[0]) - after, abs=1e-12)


def test_gradient_of_glad_is_that_of_differences():
    table, _, _ = simulated(N=10, W=4)
    answers = read_answers(table)
    random = np.random.default_rng(0)
    right = random.random(len(answers.label))
    at = random.normal(1, 0.5, 4 + 10)
    off = check_grad(
        lambda x: _negative_log_posterior(x, answers, right)[0],
        lambda x: _negative_log_posterior(x, answers, right)[1],
        at,
    )
    assert off < 1e-4


def test_consensus_beats_the_majority_and_knows_its_annotators():
    table, truth, skills = simulated()
    found = {name: cf.consensus(table, method=name) for name in ("majority", "dawid-skene", "glad")}
    assert accuracy(found["dawid-skene"], truth) > accuracy(found["majority"], truth)
    assert accuracy(found["glad"], truth) > accuracy(found["majority"], truth)
    people = found["dawid-skene"].annotators
    true = [skills[int(name[1:])] for name in people["annotator"]]
    assert np.corrcoef(people["quality"], true)[0, 1] > 0.9


def test_features_help_and_useless_ones_do_no_harm():
    table, truth, _ = simulated(skill=(0.8, 0.45))
    random = np.random.default_rng(1)
    noise = pd.DataFrame(random.normal(size=(len(truth), 4)), truth.index)
    useful = noise + 2.0 * pd.get_dummies(truth).to_numpy(float) @ np.eye(3, 4)
    alone = accuracy(cf.consensus(table), truth)
    assert accuracy(cf.consensus(table, features=useful), truth) > alone + 0.03
    assert accuracy(cf.consensus(table, features=noise), truth) > alone - 0.02


def test_the_order_of_answers_and_the_form_of_the_table_do_not_matter():
    table, _, _ = simulated(N=60)
    wanted = cf.consensus(table).soft_labels
    shuffled = cf.consensus(table.sample(frac=1, random_state=0)).soft_labels
    wide = table.pivot(index="sample", columns="annotator", values="label")
    for other in (shuffled, cf.consensus(wide).soft_labels):
        np.testing.assert_allclose(other.loc[wanted.index].to_numpy(), wanted.to_numpy(), atol=1e-4)


def test_a_wide_table_keeps_samples_without_answers():
    found = cf.consensus(pd.DataFrame({"id": [7, 8], "ann": [1, None], "bob": [1, None]}))
    row = found.table.set_index("id").loc[8]
    assert row["answers"] == 0
    assert pd.isna(row["agreement"])
    assert pd.isna(row["majority"])
    assert found.table["label"].tolist() == [1, 1]


def test_next_asks_no_one_twice_and_the_unsure_first():
    table, _, _ = simulated(N=60)
    found = cf.consensus(table)
    given = set(zip(table["sample"], table["annotator"], strict=True))
    asked = list(zip(found.next["id"], found.next["annotator"], strict=True))
    assert not given & set(asked)
    assert found.next["gain"].is_monotonic_decreasing
    unsure = found.table.set_index("id")["confidence"]
    assert unsure[found.next["id"].head(10)].mean() < unsure.mean()
    full = cf.consensus(np.array([[0, 1], [1, 1]]))
    assert full.next.empty


def test_bias_is_the_class_given_too_often():
    random = np.random.default_rng(0)
    truth = random.integers(0, 2, 200)
    table = pd.DataFrame({f"w{k}": truth for k in range(3)})
    table["yes-man"] = 1
    people = cf.consensus(table).annotators.set_index("annotator")
    assert people.loc["yes-man", "bias"] == 1
    assert people.loc["yes-man", "mistaken_for"] == "0 -> 1"
    assert people.loc["yes-man", "bias_size"] == pytest.approx((truth == 0).mean(), abs=0.05)
    assert cf.consensus(table).confusion("yes-man").loc[0, 1] > 0.9


def test_one_class_and_one_answer_are_no_problem():
    assert cf.consensus([[1]]).table["label"].tolist() == [1]
    assert cf.consensus([[0, 0], [0, 0]], method="glad").alpha == 1


@pytest.mark.parametrize(
    ("answers", "options", "words"),
    [
        ([["a", "b"]], {"method": "vote"}, "a method"),
        ([["a", "b"]], {"method": "features"}, "features of the samples"),
        ([["a", "b"]], {"features": [[1.0], [2.0]]}, "shape"),
        ([["a", "b"]], {"features": [[np.nan]]}, "not finite"),
        ([[None, None]], {}, "at least one answer"),
        ({}, {}, "a DataFrame"),
        ("absent.csv", {}, "no file"),
        (pd.DataFrame({"x": [1]}), {"annotator": "y"}, "'y'"),
        (pd.DataFrame({"x": [1]}), {"annotator": "x"}, "all three"),
        (
            pd.DataFrame({"sample": [1, 1], "worker": [1, 1], "label": [0, 1]}),
            {},
            "at most one answer",
        ),
        (
            pd.DataFrame({"sample": [1, None], "worker": [1, 1], "label": [0, 1]}),
            {},
            "1 rows without",
        ),
    ],
)
def test_bad_input_is_refused_in_words(answers, options, words):
    with pytest.raises(InputError, match=words):
        cf.consensus(answers, **options)


def test_fit_of_majority_has_rows_that_sum_to_one():
    table, _, _ = simulated(N=30)
    found = cf.consensus(table, method="majority")
    assert found.soft_labels.sum(axis=1).to_numpy() == pytest.approx(1)
    assert isinstance(dawid_skene(read_answers(table)), Fit)
