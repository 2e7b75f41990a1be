"""PostgreSQL goes away under load and comes back: the daemon stays, resumes at once, and loses nothing."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from tests.fault.load import steady_load
from tests.fault.server import FAST_STOP, IMMEDIATE_STOP, Server, own_server
from tests.support.application import Application
from tests.support.checker import check_everything
from tests.support.daemon import Daemon, running_daemon
from tests.support.receiver import Receiver, Reply
from tests.support.world import World

pytestmark = pytest.mark.fault

RESUMED_WITHIN = 5.0
FORGOTTEN = 0.6
"""Seconds of outcomes that a crash of the server can forget, since they are committed asynchronously."""
LIMITS = {"delivery": {"max_in_flight": 50, "max_in_flight_per_endpoint": 50}}
FULL = pytest.mark.full
ALL_ENDED = "select not exists (select from relay.fresh) and not exists (select from relay.delivery)"


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with own_server() as running:
        yield running


@pytest.mark.parametrize(
    ("stops", "rate"),
    [
        pytest.param([FAST_STOP, IMMEDIATE_STOP], 5.0, id="several a second"),
        pytest.param([FAST_STOP, IMMEDIATE_STOP], 300.0, id="hundreds a second"),
        pytest.param(
            [FAST_STOP] * 3 + [IMMEDIATE_STOP] * 10, 300.0, id="often", marks=[FULL, pytest.mark.timeout(600)]
        ),
    ],
)
async def test_a_restart_under_load_loses_nothing_and_charges_no_attempt(
    server: Server, stops: list[signal.Signals], rate: float, tmp_path: Path, figures: Callable[[str], None]
) -> None:
    forgettable = 0
    resumed: list[float] = []
    async with (
        Receiver() as receiver,
        Application(server.dsn) as application,
        running_daemon(tmp_path, server.dsn, sections=LIMITS) as daemon,
    ):
        receiver.respond = lambda _: Reply(delay=0.02)
        await application.add_endpoint(receiver.url())
        async with steady_load(application, rate=rate, batch=5 if rate > 100 else 1):
            for number in stops:
                await receiver.wait_for_requests(len(receiver.receipts) + max(int(rate / 2), 1))
                await server.stop(number)
                forgettable += _of_the_last(receiver, FORGOTTEN) + receiver.open_requests
                await server.start()
                resumed.append(await _seconds_to_the_next(receiver))
        await application.wait_until(ALL_ENDED)
        findings = await check_everything(application, receiver)
        attempts = await application.fetchval("select max(attempt) from relay.attempt")
        assert daemon.exit_code is None
        assert await daemon.terminate() == 0

    figures(
        f"{len(application.books.committed)} events, {len(stops)} restarts; first request"
        f" {[round(seconds, 2) for seconds in resumed]} s after the server accepted;"
        f" {findings.duplicates.total()} duplicates of at most {forgettable}"
    )
    findings.assert_right(most_duplicates=forgettable)
    assert max(resumed) <= RESUMED_WITHIN
    assert attempts == 1
    assert {receipt.request.attempt for receipt in receiver.receipts} == {1}


async def test_an_outcome_that_a_crash_forgot_is_made_up_for_at_once(server: Server, tmp_path: Path) -> None:
    """No statement of the relay has to fail for that: it may sleep until the server is back."""
    async with forgetful(server, tmp_path) as (receiver, application, daemon, crash):
        await application.add_endpoint(receiver.url())
        receiver.hold()
        event_id = await application.insert()
        await receiver.wait_for_event(event_id)
        async with crash():
            receiver.release()
            await daemon.wait_for_log("delivery.delivered", event_id=event_id)
        assert await application.fetchval("select claimed_by is not null from relay.delivery")
        daemon.signal(signal.SIGCONT)

        await receiver.wait_for_event(event_id, count=2, limit=RESUMED_WITHIN)
        await application.wait_until(ALL_ENDED)
        assert await application.fetchval("select array_agg(attempt) from relay.attempt") == [1]


async def test_a_retry_whose_claim_a_crash_forgot_is_made_up_for_at_once(
    server: Server, tmp_path: Path
) -> None:
    """The row is leased to the relay by the claim before, and the delivery is in hand all the while."""
    async with forgetful(server, tmp_path) as (receiver, application, daemon, crash):
        await application.add_endpoint(receiver.url(), retry_schedule=[timedelta(seconds=0.1)])
        receiver.respond = lambda request: Reply(status=503 if request.attempt == 1 else 200)
        receiver.hold()
        event_id = await application.insert()
        await receiver.wait_for_event(event_id)
        async with crash():
            receiver.release()
            await daemon.wait_for_log("attempt.failed", event_id=event_id)
            receiver.hold()
            await receiver.wait_for_event(event_id, count=2)
        assert await application.fetchval("select claim = 1 and claimed_by is not null from relay.delivery")
        daemon.signal(signal.SIGCONT)
        await daemon.wait_for_log("relay.active", count=2)

        receiver.release()
        await receiver.wait_for_event(event_id, count=3, limit=RESUMED_WITHIN)
        await application.wait_until(ALL_ENDED)


Crash = Callable[[], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def forgetful(
    server: Server, folder: Path
) -> AsyncIterator[tuple[Receiver, Application, Daemon, Crash]]:
    """Run a relay on a server that forgets in a crash what was committed asynchronously.

    The last part is a block whose commits are forgotten: at its end the relay is stopped, and the server crashes and is
    back before the relay goes on.
    """
    async with (
        Receiver() as receiver,
        Application(server.dsn) as application,
        Application(server.dsn) as other,
        running_daemon(folder, server.dsn) as daemon,
    ):
        await application.execute("alter system set wal_writer_delay = '10s'")
        await application.execute("select pg_reload_conf()")

        @asynccontextmanager
        async def crash() -> AsyncIterator[None]:
            await application.execute("checkpoint")  # nothing before will be forgotten
            # The relay's sign of life would flush what comes: it waits until the crash.
            await other.execute("begin; select from relay.relay_instance for update")
            yield
            daemon.signal(signal.SIGSTOP)
            await server.stop(IMMEDIATE_STOP)
            await server.start()

        yield receiver, application, daemon, crash


def _of_the_last(receiver: Receiver, seconds: float) -> int:
    """Return how many requests came in the last seconds."""
    since = time.monotonic() - seconds
    return sum(receipt.request.at >= since for receipt in receiver.receipts)


async def _seconds_to_the_next(receiver: Receiver) -> float:
    """Wait for the next request, and return after how many seconds it came."""
    accepted = time.monotonic()
    count = len(receiver.receipts)
    await receiver.wait_for_requests(count + 1)
    return receiver.receipts[count].request.at - accepted


@pytest.mark.parametrize(
    "seconds", [3.0, pytest.param(30.0, marks=[FULL, pytest.mark.timeout(300)])], ids=["quick", "full"]
)
async def test_backends_terminated_every_100_ms_lose_nothing(world: World, seconds: float) -> None:
    world.receiver.respond = lambda _: Reply(delay=0.02)
    await world.application.add_endpoint(world.receiver.url())
    daemon = await world.start(LIMITS)
    async with steady_load(world.application, rate=200, batch=2):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await world.application.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and application_name like 'relay %'"
            )
            await asyncio.sleep(0.1)
    await world.application.wait_until(ALL_ENDED)

    findings = await check_everything(world.application, world.receiver)
    findings.assert_right()
    assert daemon.exit_code is None
    assert daemon.logged("database.lost")
    assert await daemon.terminate() == 0
