"""The inbox's database falls silent on the connections there are: what is received is handled over new ones."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from relay.receiver import Event, Inbox, InboxUnavailable
from relay.receiver.schema import Connection
from tests.fault.proxy import Proxy, Way, proxy_to
from tests.support.inbox import make_inbox, note_effect, receiving, signed
from tests.support.waiting import LIMIT, eventually

pytestmark = pytest.mark.fault


@pytest.fixture
async def proxy(empty_database: str) -> AsyncIterator[Proxy]:
    place = parse_qs(urlsplit(empty_database).query)
    async with proxy_to(Path(place["host"][0]) / f".s.PGSQL.{place['port'][0]}") as running:
        yield running


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (
        "attempt.OWN_LIMIT",
        "attempt.CANCEL_LIMIT",
        "workers.LOOK_LIMIT",
        "borrowed.RETURN_LIMIT",
        "running.CLOSE_LIMIT",
    ):
        monkeypatch.setattr(f"relay.receiver.{place}", 0.5)
    for place in ("STORE_LIMIT", "CUT_LIMIT"):
        monkeypatch.setattr(f"relay.receiver.intake.{place}", 1.0)


@pytest.mark.parametrize("fmt", ["standard", "x-webhook"])
async def test_connections_that_fell_silent_are_replaced(fmt: str, empty_database: str, proxy: Proxy) -> None:
    in_hand = asyncio.Event()

    async def handle(connection: Connection, event: Event) -> None:
        await note_effect(connection, event)
        if not in_hand.is_set():
            proxy.hold(Way.BOTH, only=lambda _link: True)
            in_hand.set()

    dsn = proxy.dsn.replace("/relay?", f"/{urlsplit(empty_database).path[1:]}?")
    how = {"handler": handle, "format": fmt, "concurrency": 2, "time_limit": timedelta(seconds=1)}
    async with receiving(empty_database, handler=None) as received, make_inbox(dsn, **how) as silent:
        await silent.receive(b"{}", signed(b"{}", "before", fmt=fmt))
        await asyncio.wait_for(in_hand.wait(), LIMIT)
        await eventually(lambda: _takes(silent, fmt), "it stores again")
        await received.wait_for_state("done", "after")
        # The server ends the session that holds the other one's lock.
        await received.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and state = 'idle in transaction'"
        )
        await received.wait_for_state("done", "before")

        assert sorted(await received.effects()) == ["after", "before"]


async def _takes(silent: Inbox, fmt: str) -> bool:
    try:
        await silent.receive(b"[]", signed(b"[]", "after", fmt=fmt))
    except InboxUnavailable:
        return False
    return True
