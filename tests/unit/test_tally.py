import math
from collections.abc import Collection, Mapping
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.model import (
    Answer,
    Cancelled,
    Dead,
    Delivered,
    Failure,
    Outcome,
    Released,
    Response,
    Result,
    Retrying,
)
from relay.observe.endpoint_counts import CLASSES
from relay.observe.histogram import Histogram
from relay.observe.tally import Key, Tally
from tests.support.results import claim, result

FAILURE = Failure(code="timeout", message="too slow")
RETRYING = Retrying(delay=5.0)


def status(code: int) -> Response:
    return Response(status=code, headers={}, body=b"")


def tallied(*results: Result, stale: Collection[Key] = frozenset(), max_endpoints: int = 100) -> Tally:
    tally = Tally(max_endpoints=max_endpoints, clock=lambda: 0.0)
    tally.batch(results, stale)
    return tally


def counted(histogram: Histogram) -> dict[float, int]:
    bounds = (*histogram.bounds, math.inf)
    return {bound: count for bound, count in zip(bounds, histogram.counts, strict=True) if count}


def classes(counts: list[int]) -> dict[str, int]:
    return {name: count for name, count in zip(CLASSES, counts, strict=True) if count}


def nonzero(counts: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count}


def test_a_delivery_at_the_first_attempt_counts_everywhere() -> None:
    delivered = result(waited=0.2, took=0.3)
    tally = tallied(delivered)

    assert nonzero(tally.attempts) == {"delivered": 1}
    assert nonzero(tally.deliveries) == {"delivered": 1}
    assert counted(tally.first_request_latency) == {0.25: 1}
    assert counted(tally.attempt_duration) == {0.5: 1}
    assert counted(tally.delivery_latency) == {0.5: 1}
    assert tally.delivery_latency.total == pytest.approx(0.5)
    assert classes(tally.endpoints.named()[delivered.claim.endpoint_id]) == {"2xx": 1}
    assert tally.success_ratios() == {"5m": 1.0, "1h": 1.0}


def test_an_attempt_that_fails_ends_nothing_and_lowers_the_ratio() -> None:
    failed = result(outcome=RETRYING, answer=status(503))
    tally = tallied(failed, result())

    assert nonzero(tally.attempts) == {"delivered": 1, "retrying": 1}
    assert nonzero(tally.deliveries) == {"delivered": 1}
    assert classes(tally.endpoints.named()[failed.claim.endpoint_id]) == {"5xx": 1}
    assert sum(tally.first_request_latency.counts) == 2
    assert sum(tally.delivery_latency.counts) == 1
    assert tally.success_ratios()["5m"] == 0.5


def test_a_delivery_that_succeeds_at_last_is_delivered_from_its_insert_on() -> None:
    endpoint_id = uuid4()
    first = result(claim(endpoint_id=endpoint_id), RETRYING, answer=FAILURE)
    second = result(claim(endpoint_id=endpoint_id, attempts=1), waited=100.0, took=1.0)
    tally = tallied(first, second)

    assert nonzero(tally.deliveries) == {"delivered": 1}
    assert counted(tally.delivery_latency) == {300.0: 1}
    assert sum(tally.first_request_latency.counts) == 1
    assert classes(tally.endpoints.named()[endpoint_id]) == {"error": 1, "2xx": 1}
    assert tally.success_ratios()["5m"] == 1.0


def test_what_came_too_late_counts_as_an_attempt_and_ends_nothing() -> None:
    late, lost = result(), result(outcome=RETRYING, answer=FAILURE)
    tally = tallied(late, lost, stale={late.claim.key, lost.claim.key})

    assert nonzero(tally.attempts) == {"stale": 2}
    assert nonzero(tally.deliveries) == {}
    assert sum(tally.attempt_duration.counts) == 2
    assert math.isnan(tally.success_ratios()["5m"])


def test_a_fault_of_our_own_blames_no_endpoint_and_leaves_the_ratio_alone() -> None:
    tally = tallied(result(outcome=Released(delay=5.0), answer=FAILURE), result())

    assert nonzero(tally.attempts) == {"released": 1, "delivered": 1}
    assert len(tally.endpoints.named()) == 1
    assert sum(tally.first_request_latency.counts) == 1
    assert tally.success_ratios()["5m"] == 1.0


def test_what_is_sent_again_after_it_was_delivered_is_an_attempt_and_no_delivery() -> None:
    tally = tallied(
        result(claim(attempts=1, delivered_before=True)),
        result(claim(attempts=1, delivered_before=True), Dead(reason="exhausted"), answer=status(500)),
    )

    assert nonzero(tally.attempts) == {"delivered": 1, "dead": 1}
    assert nonzero(tally.deliveries) == {}
    assert math.isnan(tally.success_ratios()["5m"])


def test_what_ends_without_a_request_is_a_delivery_and_no_attempt() -> None:
    tally = tallied(
        result(outcome=Cancelled(), is_sent=False),
        result(outcome=Dead(reason="expired"), is_sent=False),
        result(claim(has_event=False), Dead(reason="unprocessable"), is_sent=False),
        result(outcome=Released(delay=0.0), is_sent=False),
    )
    tally.ended("dead", 3)

    assert nonzero(tally.attempts) == {}
    assert nonzero(tally.deliveries) == {"cancelled": 1, "dead": 5}
    assert math.isnan(tally.success_ratios()["5m"])


def test_endpoints_beyond_the_limit_share_their_counts_and_a_removed_one_makes_room() -> None:
    first, second = uuid4(), uuid4()
    both = [result(claim(endpoint_id=first)), result(claim(endpoint_id=second), RETRYING, answer=FAILURE)]
    tally = tallied(*both, max_endpoints=1)
    assert (list(tally.endpoints.named()), classes(tally.endpoints.others())) == ([first], {"error": 1})

    tally.endpoints.forget(lambda endpoint_id: endpoint_id != first)
    tally.batch(both[1:], ())
    assert classes(tally.endpoints.named()[second]) == {"error": 1}


def test_a_status_that_http_does_not_know_is_no_answer() -> None:
    answered = result(outcome=RETRYING, answer=status(999))

    assert classes(tallied(answered).endpoints.named()[answered.claim.endpoint_id]) == {"error": 1}


def test_clocks_that_disagree_do_not_make_a_sum_fall() -> None:
    early = result(waited=-0.004, took=0.001)
    retried = result(outcome=RETRYING, answer=FAILURE, waited=-0.004)
    tally = tallied(early, retried)

    assert tally.first_request_latency.total == 0.0
    assert counted(tally.first_request_latency) == {0.001: 2}


ANSWERS = st.one_of(st.integers(100, 599).map(status), st.just(FAILURE))
OUTCOMES: list[Outcome] = [Delivered(), RETRYING, Dead(reason="exhausted"), Released(delay=1.0)]
ENDPOINTS = st.sampled_from([UUID(int=number) for number in range(1, 6)])


@st.composite
def results(draw: st.DrawFn) -> Result:
    of = claim(
        draw(st.integers(1, 4)),
        endpoint_id=draw(ENDPOINTS),
        attempts=draw(st.sampled_from((0, 0, 1))),
        delivered_before=draw(st.booleans()),
        has_event=draw(st.sampled_from((True, True, False))),
    )
    outcome = draw(st.sampled_from(OUTCOMES))
    answer: Answer = status(200) if isinstance(outcome, Delivered) else draw(ANSWERS)
    return result(of, outcome, answer=answer, waited=draw(st.floats(0, 1e4)), took=draw(st.floats(0, 1e2)))


@given(st.lists(results()), st.sets(st.tuples(st.integers(1, 4), ENDPOINTS)))
def test_counting_in_one_loop_comes_to_the_same_as_one_by_one(batch: list[Result], stale: set[Key]) -> None:
    fast = tallied(*batch, stale=stale, max_endpoints=3)
    slow = Tally(max_endpoints=3, clock=lambda: 0.0)
    for each in batch:
        slow._count(each, 0.0, is_stale=each.claim.key in stale)

    assert (fast.attempts, fast.deliveries) == (slow.attempts, slow.deliveries)
    for name in ("attempt_duration", "first_request_latency", "delivery_latency"):
        one, other = getattr(fast, name), getattr(slow, name)
        assert one.counts == other.counts
        assert one.total == pytest.approx(other.total)
    assert fast.endpoints.by_id == slow.endpoints.by_id
