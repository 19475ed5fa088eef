import numpy as np
import pandas as pd
import pytest

import chaffinch as cf
from chaffinch.checks.cell_value import dependent_gaps, extreme
from chaffinch.checks.cells import Cells
from chaffinch.checks.column import equal_columns
from chaffinch.checks.identifier import is_identifier
from chaffinch.checks.label import uneven
from chaffinch.checks.leakage import label_gain

COUNT = 600


@pytest.fixture
def clean():
    random = np.random.default_rng(0)
    label = random.permutation(np.arange(COUNT) % 2)
    return pd.DataFrame(
        {
            "age": random.integers(18, 80, COUNT),
            "income": np.exp(random.normal(8, 1, COUNT)).round(2),
            "hours": random.poisson(30, COUNT),
            "town": random.choice(["Ulm", "Bonn", "Trier", "Kiel"], COUNT),
            "score": random.normal(0, 1, COUNT) + 0.8 * label,
            "label": np.asarray(["no", "yes"])[label],
        }
    )


def plant(frame, kind):
    random = np.random.default_rng(1)
    yes = (frame["label"] == "yes").to_numpy()
    if kind == "identifiers":
        return frame.assign(key=[f"K{n:05d}" for n in random.permutation(COUNT)])
    if kind == "label_leakage":
        return frame.assign(paid=np.where(yes, 40, 10) + random.normal(0, 3, COUNT))
    if kind == "constant_columns":
        return frame.assign(version=3)
    if kind == "duplicate_columns":
        return frame.assign(town_code=pd.factorize(frame["town"])[0] + 7)
    if kind == "missing_by_class":
        lost = yes & (random.random(COUNT) < 0.4)
        return frame.assign(score=frame["score"].mask(pd.Series(lost)))
    if kind == "missing_values":
        return frame.assign(town=frame["town"].mask(pd.Series(random.random(COUNT) < 0.2), "?"))
    if kind == "extreme_values":
        return frame.assign(age=[9_999, *frame["age"][1:]])
    if kind == "label_variants":
        return frame.assign(label=[f"{frame['label'][0].title()} ", *frame["label"][1:]])
    if kind == "rare_classes":
        return frame.assign(label=["maybe", "maybe", *frame["label"][2:]])
    if kind == "class_imbalance":
        return frame.assign(label=["maybe"] * 9 + list(frame["label"][9:]))
    if kind == "unlabelled":
        return frame.assign(label=[None, *frame["label"][1:]])
    if kind == "exact_duplicates":
        return pd.concat([frame, frame.iloc[:3]], ignore_index=True)
    if kind == "non_iid":
        return frame.sort_values("age", ignore_index=True)
    assert kind == "pii"
    return frame.assign(mail=[f"user{n}@example.org" for n in random.permutation(COUNT)])


PLANTED = (
    *("identifiers", "label_leakage", "constant_columns", "duplicate_columns", "missing_by_class"),
    *("missing_values", "extreme_values", "label_variants", "rare_classes", "class_imbalance"),
    *("unlabelled", "exact_duplicates", "non_iid", "pii"),
)


def test_a_clean_table_has_no_issue(clean):
    found = cf.check(clean)
    assert found.issues.empty, found.summary()


def test_a_table_without_labels_is_checked_too(clean):
    found = cf.check(clean.drop(columns="label"))
    assert found.issues.empty, found.summary()
    assert "label_leakage" not in found.checked


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_issue_is_found(clean, kind):
    issues = cf.check(plant(clean, kind)).issues
    expected = {kind}
    expected |= {"identifiers"} if kind == "pii" else set()
    expected |= {"class_imbalance"} if kind == "rare_classes" else set()
    expected |= {"missing_values"} if kind == "missing_by_class" else set()
    assert set(issues["issue"]) == expected


def test_the_samples_of_an_issue_are_named(clean):
    found = cf.check(plant(clean, "extreme_values"))
    assert list(found.samples("extreme_values")["row"]) == [0]
    assert list(cf.check(plant(clean, "unlabelled")).samples("unlabelled")["row"]) == [0]
    copies = cf.check(plant(clean, "exact_duplicates")).samples("exact_duplicates")
    assert copies["row"].tolist() == [0, COUNT, 1, COUNT + 1, 2, COUNT + 2]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.random.default_rng(0).permutation(500), True),
        (np.arange(0, 5000, 10), True),
        ([f"user-{n}" for n in range(500)], True),
        (np.random.default_rng(0).integers(0, 10_000, 500), False),
        (np.random.default_rng(0).choice(5_000, 500, replace=False), False),
        (np.random.default_rng(0).normal(size=500), False),
        ([f"a sentence of words, number {n}" for n in range(500)], False),
        (pd.date_range("2020-01-01", periods=500).astype(str), False),
        ([f"{n}.5" for n in range(500)], False),
        ([None] * 500, False),
        (np.arange(5), False),
    ],
)
def test_a_column_that_only_names_the_row_is_an_identifier(values, expected):
    assert is_identifier(pd.Series(values)) == expected


def test_a_running_number_over_sorted_classes_leaks_the_label(clean):
    ordered = clean.sort_values("label", ignore_index=True).assign(number=np.arange(COUNT))
    issues = cf.check(ordered).issues.set_index("issue")
    assert issues.loc["label_leakage", "names"][0].startswith("number")


def test_the_gain_of_a_column_is_between_none_and_all():
    random = np.random.default_rng(0)
    codes = random.integers(0, 4, 2000)
    noise = pd.Series(random.normal(size=2000))
    assert abs(label_gain(noise, codes, 0)[0]) < 0.05
    assert label_gain(pd.Series(codes * 1.5), codes, 0) == (1.0, 1.0)
    assert label_gain(pd.Series(codes).map(str), codes, 0) == (1.0, 1.0)
    # One class of four is told, the others are guessed: a third of what is possible for two.
    told = pd.Series(np.where(codes == 2, 9.0, noise))
    gain, f1 = label_gain(told, codes, 0)
    assert gain == pytest.approx(1 / 3, abs=0.05)
    assert f1 > 0.98


def test_equal_columns_may_be_written_otherwise():
    frame = pd.DataFrame(
        {
            "town": ["Ulm", "Bonn", "Ulm", "Kiel", "Ulm", "Kiel", "Ulm"],
            "code": [3, 1, 3, 2, 3, 2, 3],
            "other": [1, 1, 2, 2, 1, 2, 1],
            "one": [1] * 7,
            "two": [2] * 7,
            "a": range(7),
            "b": range(7, 14),
        }
    )
    assert equal_columns(Cells.of(frame)) == [["town", "code"]]


def test_gaps_that_depend_on_the_class_are_told_from_those_that_do_not():
    random = np.random.default_rng(0)
    codes = random.integers(0, 3, 3000)
    lacking = random.random((3000, 6)) < 0.1
    lacking[:, 4] |= (codes == 1) & (random.random(3000) < 0.5)
    lacking[:, 5] = False
    assert [column for column, _ in dependent_gaps(lacking, codes)] == [4]


def test_gaps_of_few_rows_that_depend_on_the_class_by_chance_are_no_issue():
    random = np.random.default_rng(0)
    assert dependent_gaps(random.random((60, 40)) < 0.3, random.integers(0, 3, 60)) == []


def test_a_class_of_most_samples_is_not_told_by_guessing_it():
    random = np.random.default_rng(0)
    codes = (random.random(2000) < 0.02).astype(np.int64)
    assert label_gain(pd.Series(random.choice(["a", "b"], 2000)), codes, 0)[1] < 0.2


def test_extreme_numbers_are_far_outside_by_value_and_by_logarithm():
    random = np.random.default_rng(0)
    heavy = np.exp(random.normal(0, 2, 5000))
    assert not extreme(heavy)[0].any()
    values = random.normal(50, 5, 2000)
    values[:3] = 5_000, -900, np.nan
    flagged, scores = extreme(values)
    assert np.flatnonzero(flagged).tolist() == [0, 1]
    assert (scores[flagged] > 0.5).all()
    assert (scores[~flagged] <= 0.5).all()
    mostly_zero = np.where(random.random(2000) < 0.9, 0.0, random.normal(3000, 400, 2000))
    assert not extreme(mostly_zero)[0].any()


def test_uneven_classes_have_less_than_a_tenth_of_an_even_share():
    assert uneven(np.asarray([500, 490, 10, 0])).tolist() == [False, False, True, False]
    assert not uneven(np.asarray([60, 40])).any()
