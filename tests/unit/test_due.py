import asyncio
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from relay.pipeline.due import DueTimes

A, B, C = UUID(int=1), UUID(int=2), UUID(int=3)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def make() -> tuple[DueTimes, Clock, asyncio.Event]:
    clock, changed = Clock(), asyncio.Event()
    return DueTimes(changed=changed, clock=clock), clock, changed


def test_an_endpoint_is_due_when_its_time_has_come_and_only_once() -> None:
    due, clock, _ = make()
    due.note(A, 5)

    assert due.take_due() == []
    clock.now += 5
    assert due.take_due() == [A]
    assert due.take_due() == []


def test_the_earlier_of_two_times_counts() -> None:
    due, clock, _ = make()
    due.note(A, 5)
    due.note(A, 1)
    due.note(A, 9)

    assert due.delay() == 1
    clock.now += 1
    assert due.take_due() == [A]
    assert due.delay() is None


def test_endpoints_come_in_the_order_of_their_times() -> None:
    due, clock, _ = make()
    for endpoint_id, delay in ((C, 3), (A, 1), (B, 2)):
        due.note(endpoint_id, delay)
    clock.now += 10

    assert due.take_due() == [A, B, C]


def test_a_time_in_the_past_is_due_now() -> None:
    due, _, _ = make()
    due.note(A, -5)

    assert due.delay() == 0
    assert due.take_due() == [A]


def test_whoever_waits_is_told_of_an_earlier_time_but_not_of_a_later_one() -> None:
    due, _, changed = make()
    due.note(A, 5)
    assert changed.is_set()
    changed.clear()

    due.note(A, 6)
    assert not changed.is_set()
    due.note(A, 4)
    assert changed.is_set()


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 100) | st.none())))
def test_nothing_noted_is_ever_forgotten(script: list[tuple[int, float | None]]) -> None:
    due, clock, _ = make()
    endpoints = [uuid4() for _ in range(6)]
    expected: dict[UUID, float] = {}
    for which, delay in script:
        if delay is None:
            clock.now += which
            ready = {endpoint_id for endpoint_id, at in expected.items() if at <= clock.now}
            assert set(due.take_due()) == ready
            expected = {endpoint_id: at for endpoint_id, at in expected.items() if endpoint_id not in ready}
        else:
            due.note(endpoints[which], delay)
            at = clock.now + delay
            expected[endpoints[which]] = min(at, expected.get(endpoints[which], at))
        earliest = min(expected.values(), default=None)
        assert due.delay() == (None if earliest is None else max(earliest - clock.now, 0.0))
