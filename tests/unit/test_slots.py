import asyncio
from collections import Counter
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from relay.endpoints.endpoint import Endpoint
from relay.http.signature import SignatureFormat
from relay.model import Schedule
from relay.pipeline.slots import Slots


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
    return Slots(total=total, total_bytes=total_bytes, freed=freed), freed


def test_an_endpoint_has_room_up_to_its_own_limit() -> None:
    slots, _ = make()
    one, other = endpoint(2), endpoint(2)
    slots.take((1, one.id), 10)
    slots.take((2, one.id), 10)

    assert slots.room(one) == 0
    assert slots.room(other) == 2


def test_no_endpoint_has_more_room_than_there_is_in_all() -> None:
    slots, _ = make(total=3)
    slots.take((1, uuid4()), 10)

    assert slots.room(endpoint(100)) == 2


def test_a_delivery_in_hand_is_not_taken_twice() -> None:
    slots, _ = make()
    key = (1, endpoint().id)

    assert slots.take(key, 10)
    assert not slots.take(key, 10)
    assert slots.in_hand == 1
    assert slots.free_bytes == 990


def test_what_is_given_back_is_free_again_and_told_of() -> None:
    slots, freed = make()
    one = endpoint()
    slots.take((1, one.id), 10)
    slots.give_back((1, one.id))

    assert (slots.in_hand, slots.free, slots.free_bytes, slots.room(one)) == (0, 10, 1000, 3)
    assert freed.is_set()


def test_what_is_reserved_counts_until_it_is_let_go() -> None:
    slots, freed = make(total=5)
    one = endpoint(3)
    slots.reserve({one.id: 2})

    assert (slots.free, slots.room(one), slots.in_hand) == (3, 1, 0)
    slots.unreserve({one.id: 2})
    assert (slots.free, slots.room(one)) == (5, 3)
    assert not freed.is_set()


def test_more_bytes_than_allowed_leave_none() -> None:
    slots, _ = make(total_bytes=100)
    slots.take((1, uuid4()), 5000)

    assert slots.free_bytes == 0


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 2), st.integers(0, 100)), max_size=100))
def test_the_counts_always_agree_with_what_is_in_hand(script: list[tuple[int, int, int]]) -> None:
    slots, _ = make(total=1000, total_bytes=100_000)
    endpoints = [endpoint(50) for _ in range(3)]
    held: dict[tuple[int, UUID], int] = {}
    for seq, which, size in script:
        key = (seq, endpoints[which].id)
        if key in held:
            slots.give_back(key)
            del held[key]
        else:
            assert slots.take(key, size)
            held[key] = size
        used = Counter(endpoint_id for _, endpoint_id in held)
        assert sorted(slots.keys()) == sorted(held)
        assert slots.free == 1000 - len(held)
        assert slots.free_bytes == 100_000 - sum(held.values())
        assert [slots.room(each) for each in endpoints] == [50 - used[each.id] for each in endpoints]
