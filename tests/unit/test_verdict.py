from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import get_args
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.model import (
    Answer,
    Cancelled,
    Claim,
    Dead,
    Delivered,
    ErrorCode,
    Event,
    Failure,
    Outcome,
    Released,
    Response,
    Retrying,
    Schedule,
    Throttle,
    TriggerType,
)
from relay.pipeline.retry_after import retry_after
from relay.pipeline.schedule import next_delay
from relay.pipeline.verdict import judge, refuse_unsent

NOW = 1_760_000_000.0
ROUNDING = 1e-5
"""Seconds: differences of Unix times have no more digits."""
SCHEDULE = Schedule(jitter=0)
EVENT = Event(
    seq=1,
    id=str(uuid4()),
    event_type="invoice.paid",
    tenant="",
    body=b"{}",
    content_type="application/json",
    sequence=None,
    headers=None,
    traceparent=None,
    expires_at=None,
    created_at=NOW,
)
CLAIM = Claim(event_seq=1, endpoint_id=uuid4(), event=EVENT, number=1, size=2)
LAST = CLAIM._replace(attempts=12, window_attempts=12, window_started_at=NOW - 259_200)


def verdict(answer: Answer, claim: Claim = CLAIM, random: float = 0.5) -> Outcome:
    return judge(answer, claim, SCHEDULE, started=NOW, ended=NOW + 1, random=random)


def response(status: int, **headers: str) -> Response:
    lower = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status=status, headers=lower, body=b"")


@pytest.mark.parametrize("status", [200, 201, 202, 204, 206, 299])
def test_every_2xx_delivers(status: int) -> None:
    assert verdict(response(status)) == Delivered()


@pytest.mark.parametrize("status", [100, 199, 300, 301, 302, 307, 308, 400, 401, 404, 500, 503, 599, 999])
def test_every_other_status_is_tried_again(status: int) -> None:
    assert verdict(response(status)) == Retrying(delay=5.0)


@pytest.mark.parametrize("wish", ["", "abort"])
def test_gone_ends_the_delivery_and_disables_the_endpoint(wish: str) -> None:
    assert verdict(response(410, webhook_delivery=wish)) == Dead(reason="gone", disables_endpoint=True)


@pytest.mark.parametrize(("wish", "disables"), [("abort", False), ("disable", True), (" Abort ", False)])
def test_a_receiver_may_ask_for_an_end(wish: str, disables: bool) -> None:
    assert verdict(response(500, webhook_delivery=wish)) == Dead(reason="aborted", disables_endpoint=disables)


def test_a_success_counts_whatever_else_the_receiver_asks_for() -> None:
    assert verdict(response(200, webhook_delivery="abort", retry_after="60")) == Delivered()


@pytest.mark.parametrize(
    ("answer", "delay", "throttle"),
    [
        (response(429), 60.0, Throttle(seconds=60.0, is_failure=False)),
        (response(429, retry_after="7"), 7.0, Throttle(seconds=7.0, is_failure=False)),
        (response(429, retry_after="2"), 5.0, Throttle(seconds=2.0, is_failure=False)),
        (response(429, retry_after="nonsense"), 60.0, Throttle(seconds=60.0, is_failure=False)),
        (response(502, retry_after="600"), 600.0, Throttle(seconds=600.0, is_failure=True)),
        (response(503, retry_after="600"), 600.0, Throttle(seconds=600.0, is_failure=True)),
        (response(504, retry_after="999999"), 86_400.0, Throttle(seconds=86_400.0, is_failure=True)),
        (response(503), 5.0, None),
        (response(503, retry_after="soon"), 5.0, None),
        (response(500, retry_after="600"), 600.0, None),
        (response(302, retry_after="600"), 600.0, None),
    ],
)
def test_a_pause_that_was_asked_for_is_kept(answer: Answer, delay: float, throttle: Throttle | None) -> None:
    assert verdict(answer) == Retrying(delay=delay, throttle=throttle)


def test_a_late_retry_that_finds_an_endpoint_busy_waits_longer_than_the_endpoint_is_left_alone() -> None:
    late = CLAIM._replace(attempts=4, window_attempts=4, window_started_at=NOW - 780)

    assert verdict(response(429), late) == Retrying(
        delay=3125.0, throttle=Throttle(seconds=60.0, is_failure=False)
    )


def test_a_wish_of_less_than_a_second_is_one_of_a_second() -> None:
    date = format_datetime(
        datetime.fromtimestamp(NOW + 1.4, UTC), usegmt=True
    )  # rounded down to whole seconds

    outcome = judge(
        response(429, retry_after=date), CLAIM, SCHEDULE, started=NOW, ended=NOW + 0.6, random=0.5
    )

    assert isinstance(outcome, Retrying)
    assert outcome.throttle == Throttle(seconds=1.0, is_failure=False)


def test_the_last_attempt_has_a_wish_too() -> None:
    assert verdict(response(429, retry_after="90"), LAST) == Dead(
        reason="exhausted", is_failure=True, throttle=Throttle(seconds=90.0, is_failure=False)
    )


def test_a_status_that_is_permanent_ends_the_delivery_and_counts_against_the_endpoint() -> None:
    strict = replace(SCHEDULE, permanent_statuses=frozenset({400, 422}))

    outcomes = [
        judge(response(status), CLAIM, strict, started=NOW, ended=NOW + 1, random=0.5)
        for status in (400, 404, 422, 200)
    ]

    ended = Dead(reason="aborted", is_failure=True)
    assert outcomes == [ended, Retrying(delay=5.0), ended, Delivered()]


@pytest.mark.parametrize("code", [code for code in get_args(ErrorCode) if code != "status"])
def test_every_kind_of_failure_is_tried_again(code: ErrorCode) -> None:
    assert verdict(Failure(code=code, message="it did not work")) == Retrying(delay=5.0)


def test_what_can_never_work_ends_at_once() -> None:
    answer = Failure(code="not_allowed", message="no", is_final=True)

    assert verdict(answer) == Dead(reason="not_allowed")


def test_our_own_fault_gives_the_delivery_back_even_after_its_last_attempt() -> None:
    outcome = verdict(Failure(code="connect", message="no descriptors", is_own_fault=True), LAST)

    assert isinstance(outcome, Released)
    assert outcome.delay > 0


def test_the_failure_at_the_end_of_the_window_is_the_last() -> None:
    assert verdict(response(500), LAST) == Dead(reason="exhausted", is_failure=True)


def test_the_window_starts_with_its_first_charged_attempt() -> None:
    waited = CLAIM._replace(event=EVENT._replace(created_at=NOW - 1e6))

    assert verdict(response(500), waited) == Retrying(delay=5.0)


def test_attempts_of_earlier_windows_do_not_lengthen_the_delay() -> None:
    reopened = CLAIM._replace(attempts=13, window_attempts=0, window_started_at=None)

    assert verdict(response(500), reopened) == Retrying(delay=5.0)


def dates(seconds: int) -> list[str]:
    """Return a moment in all three forms of RFC 9110, section 5.6.7."""
    at = datetime.fromtimestamp(seconds, UTC)
    return [
        format_datetime(at, usegmt=True),
        f"{at:%A, %d-%b-%y %H:%M:%S} GMT",
        f"{at:%a %b} {at.day:2} {at:%H:%M:%S %Y}",
    ]


WISHES = st.sampled_from(["", "abort", "disable", "ABORT", "retry", "\x00"]) | st.text()
PAUSES = (
    st.none()
    | st.integers(-10, 10**12).map(str)
    | st.integers(int(NOW) - 10**6, int(NOW) + 10**7).map(dates).flatmap(st.sampled_from)
    | st.sampled_from(["1e3", "+5", "0x10", "12, 13", "9" * 5000, "\u0663", "soon"])
    | st.text()
)
SCHEDULES = st.builds(
    Schedule,
    base=st.timedeltas(timedelta(milliseconds=1), timedelta(hours=1)),
    factor=st.floats(1, 100),
    max_delay=st.timedeltas(timedelta(hours=1), timedelta(hours=12)),
    max_age=st.timedeltas(timedelta(hours=12), timedelta(hours=72)),
    jitter=st.floats(0, 1),
    delays=st.lists(st.timedeltas(timedelta(), timedelta(days=2)), max_size=4).map(tuple),
    permanent_statuses=st.frozensets(st.integers(300, 599), max_size=2),
)


@given(
    status=st.integers(0, 1000),
    wish=WISHES,
    pause=PAUSES,
    schedule=SCHEDULES,
    window_attempts=st.integers(0, 20),
    elapsed=st.floats(0, 4 * 86_400),
    random=st.floats(0, 1, exclude_max=True),
    trigger=st.sampled_from(["automatic", "manual", "replay", "test"]),
)
def test_every_response_has_an_outcome_that_keeps_the_rules(  # noqa: PLR0917 - what the rule depends on
    status: int,
    wish: str,
    pause: str | None,
    schedule: Schedule,
    window_attempts: int,
    elapsed: float,
    random: float,
    trigger: TriggerType,
) -> None:
    claim = CLAIM._replace(
        attempts=window_attempts,
        window_attempts=window_attempts,
        window_started_at=NOW - elapsed if window_attempts else None,
        trigger_type=trigger,
    )
    headers = {"webhook_delivery": wish, **({} if pause is None else {"retry_after": pause})}

    outcome = judge(response(status, **headers), claim, schedule, started=NOW, ended=NOW, random=random)

    assert isinstance(outcome, Delivered) == (200 <= status <= 299)
    assert isinstance(outcome, Delivered | Retrying | Dead)
    if isinstance(outcome, Dead):
        assert outcome.disables_endpoint == (status == 410 or wish.strip().lower() == "disable")
    if isinstance(outcome, Retrying):
        left = schedule.max_age.total_seconds() - (elapsed if window_attempts else 0)
        asked = min(retry_after(pause, now=NOW), 86_400.0)
        if schedule.delays:
            assert outcome.delay >= asked - ROUNDING
        else:
            assert min(asked, left) <= outcome.delay + ROUNDING
            assert outcome.delay <= left + ROUNDING
        assert trigger != "test"
        assert status not in schedule.permanent_statuses | {410}


@given(SCHEDULES, st.integers(1, 30))
def test_delays_grow_up_to_their_limit(schedule: Schedule, charged: int) -> None:
    steady = replace(schedule, jitter=0, delays=(), max_age=timedelta(days=3650))

    this, following = (next_delay(steady, charged=each, elapsed=0) for each in (charged, charged + 1))

    assert this is not None
    assert following is not None
    assert this <= following <= schedule.max_delay.total_seconds()


def test_a_claim_is_sent_if_nothing_stands_against_it() -> None:
    assert refuse_unsent(CLAIM, now=NOW) is None


@pytest.mark.parametrize(
    ("claim", "outcome"),
    [
        (CLAIM._replace(event=None), Dead(reason="unprocessable")),
        (CLAIM._replace(is_cancelled=True), Cancelled()),
        (CLAIM._replace(event=EVENT._replace(expires_at=NOW)), Dead(reason="expired")),
        (CLAIM._replace(event=EVENT._replace(expires_at=NOW + 1)), None),
        (CLAIM._replace(lost=2), None),
        (CLAIM._replace(lost=3), Dead(reason="quarantined")),
    ],
)
def test_what_must_not_be_sent_ends_without_a_request(claim: Claim, outcome: Outcome | None) -> None:
    assert refuse_unsent(claim, now=NOW) == outcome
