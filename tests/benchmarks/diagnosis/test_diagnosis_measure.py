import math

import pytest
from marked_scan import posed, said

from benchmarks.experiments.diagnosis.measure import (
    harmful,
    measure_kinds,
    measure_scan,
    measure_scores,
)
from benchmarks.method import Scored

KINDS = ["clean"] * 4 + ["mislabelled", "far_cluster", "outlier", "near_cluster", "duplicate"]


def metrics(measurements):
    return {one.metric for one in measurements}


def test_harmless_glitches_count_neither_way():
    problem = posed(KINDS)
    wrong, counts = harmful(problem.kinds)
    assert wrong.tolist() == [False] * 4 + [True] * 4 + [False]
    assert counts.tolist() == [True] * 8 + [False]


def test_flags_are_marked_without_the_harmless_glitches(value):
    flagged = [True, False, False, False, True, True, False, True, True]
    suspicion = [0.9, 0.0, 0.0, 0.0, 0.8, 0.7, 0.1, 1.0, 1.0]
    found = list(measure_scan("m", posed(KINDS), said(KINDS, suspicion, flagged)))
    assert value(found, "f1_own") == pytest.approx(2 * 3 / (4 + 4))
    # Flagging all five with any suspicion: four hits of four, one false alarm.
    assert value(found, "f1_best") == pytest.approx(2 * 4 / (4 + 5))
    assert value(found, "gap") == pytest.approx(8 / 9 - 3 / 4)
    assert value(found, "auroc") == pytest.approx(13 / 16)
    assert value(found, "flagged") == pytest.approx(5 / 9)


def test_discoveries_go_by_the_q_value(value):
    q = [0.1, 1, 1, 1, 0.05, 0.1, 0.11, 0.01, 0.01]
    found = list(measure_scan("m", posed(KINDS), said(KINDS, q=q)))
    assert value(found, "fdr") == pytest.approx(1 / 4)
    assert value(found, "fdr_met") == 0
    assert value(found, "discovered") == pytest.approx(3 / 4)
    none = list(measure_scan("m", posed(KINDS), said(KINDS)))
    assert (value(none, "fdr"), value(none, "fdr_met")) == (0, 1)


def test_clean_data_have_no_f1_but_a_share_flagged(value):
    found = list(measure_scan("m", posed(["clean"] * 4), said(["clean"] * 4)))
    assert math.isnan(value(found, "f1_own"))
    assert value(found, "flagged") == 0
    assert not {"macro_f1", "type_accuracy", "kind_f1"} & metrics(found)


def test_rates_and_their_intervals(value):
    rates = [
        {"of": "all", "name": "all", "rate": 0.3, "low": 0.2, "high": 0.5},
        {"of": "kind", "name": "mislabelled", "rate": 0.3, "low": 0.25, "high": 0.4},
        {"of": "kind", "name": "hard", "rate": 0.3, "low": 0.2, "high": 0.4},
        {"of": "class", "name": "mislabelled", "rate": 0.3, "low": 0.2, "high": 0.4},
    ]
    suspicion = [0.1] * 9
    found = list(measure_scan("m", posed(KINDS), said(KINDS, suspicion, rates=rates, cost=1.25)))
    assert value(found, "rate_error") == pytest.approx(0.1 - 4 / 9)
    assert value(found, "rate_error_size") == pytest.approx(4 / 9 - 0.1)
    assert value(found, "covered") == 1  # 4 of 9
    assert value(found, "covered", "mislabelled") == 0  # 2 of 9
    assert [m.group for m in found if m.metric == "covered"] == ["", "mislabelled"]
    assert value(found, "cost") == 1.25


def test_kinds_of_a_mixture(value):
    names = ["clean", "hard", "ambiguous", "mislabelled"]
    names += ["conflicting_duplicate", "outlier", "outlier", "mislabelled", "near_duplicate"]
    found = list(measure_kinds("m", posed(KINDS), said(names).table["kind"].to_numpy("<U32")))
    # The group that was filed under another class counts as mislabelled.
    assert value(found, "kind_f1", "mislabelled") == pytest.approx(2 * 2 / (2 + 3))
    assert value(found, "kind_f1", "far_cluster") == 0
    assert value(found, "kind_f1", "outlier") == pytest.approx(2 / 3)
    assert value(found, "kind_f1", "near_duplicate") == 1
    clean = 2 * 3 / (4 + 3)
    assert value(found, "macro_f1") == pytest.approx((4 / 5 + 0 + 2 / 3 + 1 + clean) / 5)


def test_flips_and_anomalies_are_told_apart_among_what_is_found(value):
    kinds = ["mislabelled"] * 3 + ["far_cluster", "outlier", "clean"]
    names = ["mislabelled", "outlier", "clean", "outlier", "mislabelled", "outlier"]
    found = list(measure_kinds("m", posed(kinds), said(names).table["kind"].to_numpy("<U32")))
    assert value(found, "type_accuracy") == pytest.approx(2 / 4)


def test_either_half_of_a_pair_will_do(value):
    kinds = ["clean", "clean", "duplicate", "duplicate"]
    names = ["near_duplicate", "clean", "clean", "clean"]
    problem = posed(kinds, twin=[-1, -1, 0, 1])
    found = list(measure_kinds("m", problem, said(names).table["kind"].to_numpy("<U32")))
    # The originals count no further: one copy of two is found, and there is no false alarm.
    assert value(found, "kind_f1") == pytest.approx(2 / 3)


def test_natural_repetitions_are_no_false_alarms(value):
    kinds = ["clean", "clean", "duplicate", "clean"]
    names = ["near_duplicate", "near_duplicate", "near_duplicate", "clean"]
    repeated = [True, False, False, False]
    problem = posed(kinds, repeated=repeated)
    found = list(measure_kinds("m", problem, said(names).table["kind"].to_numpy("<U32")))
    assert value(found, "kind_f1") == pytest.approx(2 / 3)


def test_a_method_that_only_scores_has_no_threshold():
    problem = posed(KINDS)
    found = list(measure_scores("m", problem.kinds, Scored(problem.twin.astype(float))))
    assert metrics(found) == {"auroc", "average_precision", "f1_known_rate", "f1_best"}
