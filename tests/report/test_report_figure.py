import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from chaffinch.report import wording
from chaffinch.report.chart import root_steps, spread, steps
from chaffinch.report.confusion import confuse
from chaffinch.report.discovery import discover
from chaffinch.report.distribution import rank_correlation, suspicion_histogram, top_overlap
from chaffinch.report.wording import Naming


def table(given, suggested, flagged, suspicion, q=None):
    return pd.DataFrame(
        {
            "given_label": given,
            "suggested_label": suggested,
            "flagged": flagged,
            "suspicion": suspicion,
            "q_value": [0.0] * len(given) if q is None else q,
        }
    )


def test_pairs_are_counted_for_flagged_samples_only():
    findings = table(
        ["a", "a", "b", "a"], ["b", "b", "a", None], [True, False, True, True], [0.9, 0.1, 0.8, 0.7]
    )
    confusion = confuse(findings, None, Naming(["a", "b"]))
    assert [[cell.text for cell in row] for row in confusion.flagged.rows] == [["", "1"], ["1", ""]]
    assert confusion.unsuggested == 1
    assert [(row.name, row.samples, row.flagged) for row in confusion.table] == [
        ("a", 3, 2),
        ("b", 1, 1),
    ]
    assert confusion.flow is None


def test_the_flow_gives_expected_errors_by_class():
    findings = table(["a", "b"], [None, None], [False, False], [0.1, 0.1])
    confusion = confuse(findings, [[10.0, 2.5], [0.0, 7.0]], Naming(["a", "b"]))
    assert [row.expected for row in confusion.table] == [2.5, 0.0]
    assert confusion.flagged is None
    assert [[cell.heat for cell in row] for row in confusion.flow.rows] == [
        [None, 1.0],
        [0.0, None],
    ]


@pytest.mark.parametrize("limit", [(0.01, 1), (0.05, 2), (0.2, 3)])
def test_limits_count_the_samples_below_each_rate(limit):
    q = [0.01, 0.04, 0.2, 0.9]
    findings = table(list("aaaa"), [None] * 4, [True, True, False, False], [0.9, 0.8, 0.7, 0.1], q)
    found = {one.share: one.samples for one in discover(findings).limits}
    assert found[wording.tick_percent(limit[0])] == limit[1]


def test_the_histogram_holds_every_sample():
    suspicion = np.array([0.0, 0.5, 1.0, 1.0])
    findings = table(list("aaaa"), [None] * 4, [False, False, True, True], suspicion)
    histogram = suspicion_histogram(findings)
    assert len(histogram.every) == 3
    assert len(histogram.flagged) == 1
    assert histogram.flagged[0] == histogram.every[-1]
    assert histogram.every[-1].text.endswith("2 samples, 2 flagged")


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=30))
def test_rank_correlation_is_spearmans(pairs):
    one, other = np.asarray(pairs, dtype=np.float64).T
    found = rank_correlation(one, other)
    if len(set(one)) == 1 or len(set(other)) == 1:
        assert found is None
    else:
        assert found == pytest.approx(spearmanr(one, other).statistic)


def test_overlap_is_the_share_of_flagged_on_top():
    flagged = np.array([True, True, False, False])
    assert top_overlap(np.array([9.0, 1.0, 5.0, np.nan]), flagged) == 0.5
    assert top_overlap(np.array([1.0, 2.0]), np.array([False, False])) is None


@given(st.lists(st.floats(0, 300), min_size=1, max_size=6))
def test_spread_labels_keep_their_order_and_distance(positions):
    placed = spread(positions, 17)
    assert all(b - a >= 17 - 1e-9 for a, b in zip(sorted(placed), sorted(placed)[1:], strict=False))
    assert np.array_equal(np.argsort(positions, kind="stable"), np.argsort(placed, kind="stable"))


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_steps_are_within_the_axis_and_few(low, span):
    found = steps(low, low + span)
    assert len(found) <= 7
    assert all(low - span * 1e-3 <= value <= low + span * 1.001 for value in found)


@given(st.integers(1, 10**7))
def test_root_steps_start_at_nought_and_rise(high):
    found = root_steps(high)
    assert found[0] == 0
    assert found == sorted(set(found))
    assert found[-1] <= high


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0.0%"), (0.0004, "<0.1%"), (0.064, "6.4%"), (0.9996, ">99.9%"), (1.0, "100.0%")],
)
def test_shares_never_read_as_none_or_all(share, text):
    assert wording.percent(share) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4213, "0.421 s"), (12.34, "12.3 s"), (65, "1 min 05 s"), (7_500, "2 h 05 min")],
)
def test_times_are_rounded_for_people(seconds, text):
    assert wording.duration(seconds) == text


def test_moments_are_utc_whatever_they_came_in():
    assert wording.moment("2025-05-03T14:30:00+02:00") == "3 May 2025, 12:30 UTC"
    assert wording.moment("2025-05-03T12:30:00Z") == "3 May 2025, 12:30 UTC"
    assert wording.moment("long ago") == "long ago"


def test_names_survive_missing_values():
    naming = Naming(["0", "1"])
    assert naming(1.0) == "1"
    assert naming(float("nan")) is None
    assert Naming(["False", "True"])(1.0) == "True"
    codes = naming.encode(pd.Series([0.0, None, 1.0, 7.0]))
    assert codes.tolist() == [0, -1, 1, 2]
    assert naming.classes == ["0", "1", "7.0"]
