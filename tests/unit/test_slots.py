import asyncio
from collections import Counter
from collections.abc import Callable
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from relay.config import Settings
from relay.endpoints.defaults import breaker_rules_of
from relay.endpoints.endpoint import Endpoint
from relay.endpoints.health import Standings
from relay.endpoints.limits import START
from relay.http.signature import SignatureFormat
from relay.model import Claim, Delivered, Result, Schedule
from relay.pipeline.slots import Key, Slots


def endpoint(max_in_flight: int = 3) -> Endpoint:
    return Endpoint(
        id=uuid4(),
        url="https://example.com/hook",
        tenant="",
        event_types=("*",),
        headers=(),
        signature=SignatureFormat.BOTH,
        secrets=(),
        timeout=30,
        max_in_flight=max_in_flight,
        schedule=Schedule(),
        store_response_body=True,
        hold=None,
        refusal=None,
    )


def make(total: int = 10, total_bytes: int = 1000) -> tuple[Slots, asyncio.Event]:
    freed = asyncio.Event()
    rules = breaker_rules_of(Settings())
    standings = Standings(rules=rules, note_due=lambda _, __: None)
    return Slots(total=total, total_bytes=total_bytes, freed=freed, standings=standings), freed


def proven(slots: Slots, max_in_flight: int = 3) -> Endpoint:
    """Return an endpoint of which so many good answers are known that only its own limit counts."""
    made = endpoint(max_in_flight)
    claim = Claim(event_seq=0, endpoint_id=made.id, event=None, number=1, size=0)
    result = Result(claim=claim, outcome=Delivered(), attempt=None, ended_at=0.0)
    slots._standings.note([result] * 10)
    return made


def fill(slots: Slots, count: int, *, of: UUID | None = None, is_retry: bool = False) -> list[Key]:
    """Take so many slots, for endpoints of their own unless one is given."""
    keys = [(10_000 + slots.in_hand + number, of or uuid4()) for number in range(count)]
    assert all(slots.take(key, 1, is_retry=is_retry) for key in keys)
    return keys


def test_an_endpoint_has_room_up_to_its_own_limit() -> None:
    slots, _ = make()
    one, other = proven(slots, 2), proven(slots, 2)
    slots.take((1, one.id), 10)
    slots.take((2, one.id), 10)

    assert slots.room(one) == 0
    assert slots.room(other) == 2


def test_no_endpoint_has_more_room_than_there_is_in_all() -> None:
    slots, _ = make(total=3)
    slots.take((1, uuid4()), 10)

    assert slots.room(proven(slots, 100)) == 2


def test_a_delivery_in_hand_is_not_taken_twice() -> None:
    slots, _ = make()
    key = (1, endpoint().id)

    assert slots.take(key, 10)
    assert not slots.take(key, 10)
    assert slots.in_hand == 1
    assert slots.free_bytes == 990


def test_what_is_given_back_is_free_again_and_told_of() -> None:
    slots, freed = make()
    one = proven(slots)
    slots.take((1, one.id), 10)
    slots.give_back((1, one.id))

    assert (slots.in_hand, slots.free, slots.free_bytes, slots.room(one)) == (0, 10, 1000, 3)
    assert freed.is_set()


def test_what_is_reserved_counts_until_it_is_let_go() -> None:
    slots, freed = make(total=5)
    one = proven(slots)
    slots.reserve(one.id, 2)

    assert (slots.free, slots.room(one), slots.in_hand) == (3, 1, 0)
    slots.unreserve({one.id: 2})
    assert (slots.free, slots.room(one)) == (5, 3)
    assert not freed.is_set()


def test_more_bytes_than_allowed_leave_none() -> None:
    slots, _ = make(total_bytes=100)
    slots.take((1, uuid4()), 5000)

    assert slots.free_bytes == 0


def test_an_endpoint_of_which_nothing_is_known_begins_with_few() -> None:
    slots, _ = make(total=1000)

    assert slots.room(endpoint(100)) == START


def test_unproven_endpoints_have_a_quarter_together_and_the_others_do_not_notice() -> None:
    slots, _ = make(total=100, total_bytes=10_000)
    silent = [endpoint(100) for _ in range(50)]
    for each in silent:
        fill(slots, slots.room(each), of=each.id)

    assert slots.in_hand == 25
    assert all(slots.room(each) == 0 for each in silent)
    assert slots.room(proven(slots, 100)) == 75


def test_the_last_half_of_the_quarter_is_for_one_delivery_of_each() -> None:
    slots, _ = make(total=64)
    first, second, third = (endpoint(100) for _ in range(3))
    fill(slots, slots.room(first), of=first.id)
    fill(slots, slots.room(second), of=second.id)

    assert slots.room(first) == 0
    assert slots.room(third) == 1
    fill(slots, 1, of=third.id)
    assert slots.room(third) == 0


def test_an_endpoint_that_proves_itself_gives_its_part_of_the_quarter_to_others() -> None:
    slots, _ = make(total=16)
    first, second = endpoint(100), endpoint(100)
    fill(slots, 4, of=first.id)
    assert slots.room(second) == 0

    slots._standings._prove(slots._standings.of(first.id))
    assert slots.room(second) == 4


def test_one_slot_is_enough_for_an_unproven_endpoint() -> None:
    slots, _ = make(total=1)

    assert slots.room(endpoint()) == 1


def test_retries_never_have_the_last_quarter() -> None:
    slots, _ = make(total=100, total_bytes=10_000)
    fill(slots, 70, is_retry=True)
    assert (slots.free_for_due, slots.free_for_new) == (5, 30)

    fill(slots, 5, is_retry=True)
    assert (slots.free_for_due, slots.free_for_new) == (0, 25)
    assert slots.room(proven(slots, 100)) == 25


def test_first_attempts_that_were_due_may_have_all() -> None:
    slots, _ = make(total=100, total_bytes=10_000)
    fill(slots, 90)

    assert slots.free_for_due == 10


def test_new_events_leave_a_quarter_to_what_is_due_while_it_waits() -> None:
    slots, _ = make(total=100, total_bytes=10_000)
    fill(slots, 70)
    assert slots.free_for_new == 30

    slots.due_waits = True
    assert (slots.free_for_new, slots.free_for_due) == (5, 30)
    fill(slots, 10, is_retry=True)
    assert (slots.free_for_new, slots.free_for_due) == (5, 20)


@given(retries=st.integers(0, 75), first=st.integers(0, 100), waits=st.booleans())
def test_whenever_a_slot_is_free_somebody_may_have_it(retries: int, first: int, *, waits: bool) -> None:
    slots, _ = make(total=100, total_bytes=10_000)
    fill(slots, retries, is_retry=True)
    fill(slots, min(first, slots.free))
    slots.due_waits = waits

    assert bool(slots.free_for_new or slots.free_for_due) is bool(slots.free)


@given(
    st.lists(
        st.tuples(st.integers(0, 20), st.integers(0, 2), st.integers(0, 100), st.booleans()), max_size=100
    )
)
def test_the_counts_always_agree_with_what_is_in_hand(script: list[tuple[int, int, int, bool]]) -> None:
    slots, _ = make(total=1000, total_bytes=100_000)
    endpoints = [proven(slots, 50) for _ in range(3)]
    held: dict[tuple[int, UUID], int] = {}
    for seq, which, size, is_retry in script:
        key = (seq, endpoints[which].id)
        if key in held:
            slots.give_back(key)
            del held[key]
        else:
            assert slots.take(key, size, is_retry=is_retry)
            held[key] = size
        used = Counter(endpoint_id for _, endpoint_id in held)
        assert sorted(slots.keys()) == sorted(held)
        assert slots.free == 1000 - len(held)
        assert slots.free_bytes == 100_000 - sum(held.values())
        assert [slots.room(each) for each in endpoints] == [50 - used[each.id] for each in endpoints]


def test_nothing_may_be_leased_while_there_is_no_room_for_a_byte() -> None:
    slots, _ = make(total=10, total_bytes=100)
    assert slots.free_to_lease == 10

    assert slots.take((1, uuid4()), 100)
    assert (slots.free_for_new, slots.free_to_lease) == (9, 0)


async def test_whoever_waits_for_slots_hears_of_all_that_makes_some_free() -> None:
    slots, _ = make(total=10)
    reserved_for, held = uuid4(), (1, uuid4())
    assert slots.take(held, 1)
    slots.reserve(reserved_for, 9)

    ways: list[Callable[[], None]] = [
        lambda: slots.unreserve({reserved_for: 9}),
        lambda: slots.give_back(held),
    ]
    for free in ways:
        wanted = slots.free_to_lease + 1
        waiting = asyncio.create_task(slots.wait_for_some(wanted, 60.0))
        await asyncio.sleep(0.01)
        assert not waiting.done()
        free()
        await asyncio.wait_for(waiting, 1)


async def test_whoever_waits_for_slots_hears_when_due_deliveries_need_them_no_more() -> None:
    slots, _ = make(total=8)
    slots.due_waits = True
    waiting = asyncio.create_task(slots.wait_for_some(8, 60.0))
    await asyncio.sleep(0.01)
    assert not waiting.done()

    slots.due_waits = False
    await asyncio.wait_for(waiting, 1)


async def test_a_wait_for_slots_has_an_end() -> None:
    slots, _ = make(total=1)

    await asyncio.wait_for(slots.wait_for_some(2, 0.01), 1)


def test_what_is_due_takes_half_of_what_is_free_while_new_events_wait() -> None:
    slots, _ = make(total=100)
    assert slots.free_for_due == 75

    slots.new_waits = True
    assert slots.free_for_due == 50
    fill(slots, 99)
    assert slots.free_for_due == 1
