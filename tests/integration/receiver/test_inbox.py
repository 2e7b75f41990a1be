"""The inbox on a real database: what is stored, and what counts as the same."""

import asyncio
import time

import pytest

from relay.receiver import Event, Inbox, Receipt, VerificationError
from relay.receiver.schema import Connection
from tests.support.inbox import Gate, make_inbox, note_effect, receiving, signed
from tests.support.waiting import LIMIT


async def test_an_event_is_stored_and_its_handler_gets_it(any_empty_database: str) -> None:
    got: list[Event] = []

    async def handle(connection: Connection, event: Event) -> None:
        got.append(event)
        await note_effect(connection, event)

    async with receiving(any_empty_database, handler=handle, keep_headers=["X-Shop"]) as received:
        more = {"X_Webhook_Event": "invoice.paid", "X_Shop": "berlin", "Authorization": "Basic canary"}
        assert await received.receive(b'{"id": 42}', **more) is Receipt.STORED
        await received.wait_for_state("done")

        assert await received.effects() == ["evt_1"]
        assert got[0].json() == {"id": 42}
        assert (got[0].event_type, got[0].failures, got[0].source) == ("invoice.paid", 0, "relay")
        assert got[0].headers == {"x-webhook-event": "invoice.paid", "x-shop": "berlin"}


async def test_an_event_that_comes_again_is_a_duplicate_and_has_no_second_effect(empty_database: str) -> None:
    async with receiving(empty_database) as received:
        together = await asyncio.gather(*(received.receive() for _ in range(20)))
        await received.wait_for_state("done")

        assert sorted(together) == [Receipt.DUPLICATE] * 19 + [Receipt.STORED]
        assert await received.receive() is Receipt.DUPLICATE
        assert await received.effects() == ["evt_1"]


async def test_a_duplicate_is_answered_while_the_handler_works(empty_database: str) -> None:
    gate = Gate()
    async with receiving(empty_database, handler=gate.handle) as received:
        await received.receive()
        await asyncio.wait_for(gate.called.wait(), LIMIT)

        async with asyncio.timeout(LIMIT):
            assert await received.receive() is Receipt.DUPLICATE
            assert await received.receive(event_id="evt_2") is Receipt.STORED
        gate.opened.set()


async def test_headers_that_are_no_text_do_no_harm(any_empty_database: str) -> None:
    async with receiving(any_empty_database, keep_headers=["x-shop"]) as received:
        headers = signed(b"{}", X_Webhook_Event="a\0b", X_Shop="\0\udcff\ud800 \u202e")
        assert await received.inbox.receive(b"{}", headers) is Receipt.STORED
        await received.wait_for_state("done")

        assert await received.fetchval("select event_type from relay_inbox.event") is None


async def test_sources_are_apart(empty_database: str) -> None:
    async with receiving(empty_database) as received, make_inbox(empty_database, source="other") as other:
        assert await received.receive() is Receipt.STORED
        assert await other.receive(b"{}", signed(b"{}")) is Receipt.STORED


async def test_what_is_not_verified_is_not_stored(empty_database: str) -> None:
    async with receiving(empty_database) as received:
        with pytest.raises(VerificationError) as caught:
            await received.inbox.receive(b"other", signed(b"{}"))

        assert caught.value.reason == "signature_mismatch"
        assert await received.state() == ""


async def test_a_secret_may_be_changed_while_it_runs(empty_database: str) -> None:
    new = "whsec_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="
    async with receiving(empty_database) as received:
        received.inbox.secrets = [new]

        assert await received.receive(secret=new) is Receipt.STORED
        with pytest.raises(VerificationError):
            await received.receive(event_id="evt_2")


# The format whose id is not signed.


async def test_a_captured_content_under_another_id_is_refused(empty_database: str) -> None:
    async with receiving(empty_database, format="x-webhook") as received:
        headers = signed(b"{}", fmt="x-webhook")
        assert await received.inbox.receive(b"{}", headers) is Receipt.STORED

        forged = headers | {"X-Webhook-Id": "evt_2"}
        assert await received.inbox.receive(b"{}", forged) is Receipt.REPEATED
        assert await received.inbox.receive(b"{}", headers) is Receipt.DUPLICATE
        await received.wait_for_state("done")
        assert await received.effects() == ["evt_1"]


async def test_a_content_captured_from_a_retry_is_refused_too(empty_database: str) -> None:
    async with receiving(empty_database, format="x-webhook") as received:
        now = int(time.time())
        first, second = (signed(b"{}", fmt="x-webhook", at=at) for at in (now - 5, now))
        assert await received.inbox.receive(b"{}", first) is Receipt.STORED
        assert await received.inbox.receive(b"{}", second) is Receipt.DUPLICATE

        assert await received.inbox.receive(b"{}", second | {"X-Webhook-Id": "evt_2"}) is Receipt.REPEATED


async def test_two_events_of_one_second_with_the_same_body_are_both_taken_in_the_end(
    empty_database: str,
) -> None:
    async with receiving(empty_database, format="x-webhook") as received:
        now = int(time.time())
        assert await received.receive(event_id="a", fmt="x-webhook", at=now) is Receipt.STORED
        assert await received.receive(event_id="b", fmt="x-webhook", at=now) is Receipt.REPEATED
        assert await received.receive(event_id="b", fmt="x-webhook", at=now + 1) is Receipt.STORED


async def test_of_one_content_that_comes_at_once_under_many_ids_one_is_stored(empty_database: str) -> None:
    async with receiving(empty_database, format="x-webhook") as received:
        headers = signed(b"{}", fmt="x-webhook")
        together = await asyncio.gather(
            *(received.inbox.receive(b"{}", headers | {"X-Webhook-Id": f"evt_{n}"}) for n in range(30))
        )

        assert sorted(together) == [Receipt.REPEATED] * 29 + [Receipt.STORED]
        assert await received.fetchval("select count(*) from relay_inbox.event") == 1


async def test_equal_bodies_are_events_of_their_own_where_the_id_is_signed(empty_database: str) -> None:
    async with receiving(empty_database) as received:
        now = int(time.time())
        assert await received.receive(event_id="a", at=now) is Receipt.STORED
        assert await received.receive(event_id="b", at=now) is Receipt.STORED


def test_a_format_whose_id_could_be_chosen_by_a_stranger_is_refused() -> None:
    with pytest.raises(ValueError, match="no id could be relied on"):
        Inbox("", secrets=signed(b"")["X-Webhook-Id"], format="any")  # type: ignore[arg-type]


def test_a_wrong_secret_is_told_at_once() -> None:
    with pytest.raises(VerificationError):
        Inbox("", secrets="canary")
