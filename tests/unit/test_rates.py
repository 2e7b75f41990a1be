"""A bucket never lets more through than its rate and burst, and fills up as time goes by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.endpoints.rates import BURST, LUMP, Bucket


@given(
    st.floats(min_value=0.001, max_value=10_000),
    st.lists(st.floats(min_value=0.0, max_value=5.0), min_size=1, max_size=50),
)
def test_no_window_has_more_than_rate_and_burst(rate: float, gaps: list[float]) -> None:
    bucket, now, spent = Bucket(rate, 0.0), 0.0, list[tuple[float, int]]()
    for gap in gaps:
        now += gap
        count = bucket.whole(now)
        bucket.spend(count)
        spent.append((now, count))

    for first, (began, _) in enumerate(spent):
        total = 0
        for moment, count in spent[first:]:
            total += count
            assert total <= rate * (moment - began) + max(rate * BURST, 1.0) + 1e-3


@pytest.mark.parametrize("rate", [0.1, 1.0, 3.0, 50.0, 1000.0])
def test_after_the_wait_there_is_something_to_spend_and_not_before(rate: float) -> None:
    bucket = Bucket(rate, 0.0)
    bucket.spend(bucket.whole(0.0))

    wait = bucket.wait(0.0)

    assert wait > 0
    assert bucket.whole(wait) >= max(1, int(rate * BURST * LUMP))
    assert bucket.wait(wait) == pytest.approx(0.0, abs=1e-6)


def test_a_long_rest_saves_up_no_more_than_the_burst() -> None:
    bucket = Bucket(100.0, 0.0)

    assert bucket.whole(3600.0) == 100.0 * BURST


@pytest.mark.parametrize("rate", [1.0, 40.0])
def test_over_a_minute_all_that_the_rate_allows_goes_out(rate: float) -> None:
    bucket, now, sent = Bucket(rate, 0.0), 0.0, 0
    while now < 60.0:
        count = bucket.whole(now)
        bucket.spend(count)
        sent += count
        now += bucket.wait(now)

    assert rate * 59 <= sent <= rate * 61 + 1
