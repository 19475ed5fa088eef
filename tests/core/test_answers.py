import numpy as np
import pandas as pd
import pytest
from calibration_case import answers_to, made_up

from chaffinch.core.answers import frame, join
from chaffinch.core.errors import InputError

CLASSES = np.array(["a", "b", "c"], dtype=object)
IDS = ["x", "y", "z", "u"]
GIVEN = np.array([0, 1, 2, 0])


def read(answers, classes=CLASSES, given=GIVEN):
    return join(frame(answers, classes), IDS, given)


def test_labels_and_verdicts_in_a_mapping():
    found = read({"z": "c", "x": "b", "y": True, "u": None})
    assert found.rows.tolist() == [0, 1, 2]
    assert found.wrong.tolist() == [1, 1, 0]
    assert found.codes.tolist() == [1, -1, -1]
    assert found.undecided == 1
    assert found.agreement is None


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, np.nan])
def test_cannot_tell_is_counted_and_left_out(missing):
    assert read({"x": missing, "y": "b"}).undecided == 1


def test_true_and_false_are_labels_where_the_classes_are_booleans():
    classes = np.array([False, True])
    found = read({"x": True, "y": True}, classes, np.array([0, 1, 0, 1]))
    assert found.wrong.tolist() == [1, 0]
    assert found.codes.tolist() == [1, -1]


def test_true_is_a_verdict_where_the_classes_are_numbers_and_one_is_a_label():
    classes, given = np.array([0, 1]), np.array([1, 1, 0, 0])
    assert read({"x": True, "y": np.bool_(False)}, classes, given).wrong.tolist() == [1, 0]
    assert read({"x": 1, "y": 0.0}, classes, given).wrong.tolist() == [0, 1]


def test_a_table_that_a_program_wrote_with_floats_and_words():
    table = pd.DataFrame({"id": [10.0, 11.0, 12.0], "wrong": ["yes", "False", ""]})
    found = join(frame(table, CLASSES), ["10", "11", "12"], GIVEN)
    assert found.wrong.tolist() == [1, 0]
    assert found.undecided == 1
    labels = pd.DataFrame({"id": ["x", "y"], "label": [2.0, np.nan]})
    assert read(labels, np.array([1, 2, 3])).codes.tolist() == [1]


def test_reviewers_who_differ_are_weighed_by_how_often_others_share_their_verdicts():
    rows = [(one, who, "b" if one == "x" else "a") for one in "xyz" for who in ("ann", "ben")]
    rows += [(one, "cat", "c") for one in "xyz"]
    table = pd.DataFrame(rows, columns=["id", "reviewer", "label"])
    found = read(table, given=np.array([0, 0, 0, 0]))
    assert found.wrong[0] == 1  # all say so
    assert found.codes[0] == 1  # and two of three that it is b
    # ann and ben agree with one another always, with cat in one of three: (3 + 1 + 1) / (6 + 2).
    assert found.wrong[1] == pytest.approx((3 / 8) / (5 / 8 + 5 / 8 + 3 / 8))
    assert found.agreement["samples"] == 3
    assert found.agreement["share"] == pytest.approx(5 / 9)


def test_kappa_is_that_of_cohen():
    from sklearn.metrics import cohen_kappa_score

    random = np.random.default_rng(0)
    first = random.random(40) < 0.4
    second = np.where(random.random(40) < 0.8, first, ~first)
    ids = [f"s{n}" for n in range(40)]
    table = pd.DataFrame(
        {"id": ids * 2, "wrong": [*first, *second], "reviewer": ["a"] * 40 + ["b"] * 40}
    )
    found = join(frame(table, CLASSES), ids, np.zeros(40, dtype=np.int64))
    assert found.agreement["kappa"] == pytest.approx(cohen_kappa_score(first, second))


def test_the_last_answer_of_a_reviewer_counts():
    table = pd.DataFrame({"id": ["x", "x"], "wrong": [True, False]})
    assert read(table).wrong.tolist() == [0]


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({"nobody": "a"}, "other ids, such as 'nobody'"),
        ({"x": "d", "y": "e"}, "2 that name none, such as 'd', 'e'"),
        ({"x": 2}, "name one of the classes"),
        ({}, "at least one answer"),
        ({"x": None}, "at least one answer"),
        (["x"], "a list"),
        (pd.DataFrame({"id": ["x"]}), "'label' or 'wrong'"),
        (pd.DataFrame({"id": ["x"], "wrong": ["maybe"]}), "True, False or nothing"),
        (pd.DataFrame({"id": ["x"], "wrong": [True], "weight": [-1]}), "positive weights"),
        (pd.DataFrame({"id": ["x"], "wrong": [True], "weight": ["heavy"]}), "positive weights"),
    ],
)
def test_unusable_answers_are_one_clear_error(answers, said):
    with pytest.raises(InputError, match=said):
        read(answers)


def test_findings_refuse_unknown_ids_and_labels():
    findings, right = made_up()
    with pytest.raises(InputError, match="other ids"):
        findings.calibrate({"s9999": "a"})
    with pytest.raises(InputError, match="name one of the classes"):
        findings.calibrate({"s1": "z"})
    assert answers_to(findings, right, np.array([3])) == {"s3": right[3]}
