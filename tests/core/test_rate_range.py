"""The range of the rate of wrong labels, in words that never claim more than is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaffinch.core.rate_range import RateRange

SHARES = st.floats(0, 1)


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (RateRange(0.013, 0.09, 0.052), "between 1.3% and 9.0% of labels may be wrong; 5.2% taken"),
        (RateRange(0.0, 0.09, 0.0), "up to 9.0% of labels may be wrong; 0.0% taken"),
        (RateRange(1e-4, 0.09, 2e-4), "up to 9.0% of labels may be wrong; <0.1% taken"),
        (RateRange(0.05, 0.05, 0.05), "about 5.0% of labels may be wrong; 5.0% taken"),
        (
            RateRange(0.001, 0.083, 0.005, told=False),
            "cannot tell how many labels are wrong: between 0.1% and 8.3% may be",
        ),
        (RateRange(0.0, 1.0, 0.0, told=False), "cannot tell how many labels are wrong"),
    ],
)
def test_words(rate, words):
    assert rate.words == words


@given(SHARES, SHARES, SHARES)
def test_what_was_taken_lies_in_the_range(one, other, taken):
    rate = RateRange.of({"rate_range": sorted([one, other])}, taken)
    assert rate.low == min(one, other, taken)
    assert rate.high == max(one, other, taken)
    assert rate.told


def test_answers_tell_where_the_evidence_does_not():
    details = {"rate_range": (0.0, 0.1), "cannot_tell": True}
    assert not RateRange.of(details, 0.01).told
    details["calibration"] = {"rate": 0.04, "low": 0.02, "high": 0.06}
    assert RateRange.of(details, 0.04) == RateRange(0.02, 0.06, 0.04)
    assert RateRange.of({}, 0.01) is None


@pytest.mark.parametrize(
    ("high", "taken", "flagged", "is_open"),
    [
        (0.05, 0.005, 0.0, True),
        (0.05, 0.005, 0.009, True),
        (0.05, 0.005, 0.011, False),  # enough is flagged
        (0.05, 0.02, 0.0, False),  # less than three times as many
        (0.019, 0.0, 0.0, False),  # few at worst
    ],
)
def test_it_is_open_where_hardly_any_is_flagged_but_many_may_be_wrong(
    high, taken, flagged, is_open
):
    assert RateRange(0.0, high, taken).is_open(flagged) is is_open
