"""`kill -9` of the daemon and its embedded server, again and again under load."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from relay.embedded import running_dsn
from relay.embedded.postmaster import running
from tests.fault.load import publish_while
from tests.support.application import Application
from tests.support.checker import check_everything
from tests.support.daemon import Daemon, start_daemon
from tests.support.embedded import is_gone
from tests.support.postgres import open_folder
from tests.support.receiver import Received, Receiver, Reply

pytestmark = pytest.mark.fault

MOST_IN_FLIGHT = 50
LEAST_OPEN = 20
MOST_WAITING = 100
"""Of them twice as many are received between two kills: what was in flight at three kills in a row is quarantined."""
LIMIT = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """What one kill found and did.

    Attributes:
        open_requests: At the receiver, at the moment of the kill.
        receipts: How many there were once the dead process's connections were gone.
        resumed_after: Seconds from the kill to the next request.
    """

    open_requests: int
    receipts: int
    resumed_after: float


class Trial:
    """A daemon with its embedded server, an application and a receiver.

    The receiver takes a while to answer, and the application is always ahead: so there are open requests.
    """

    def __init__(self, folder: Path, receiver: Receiver, application: Application) -> None:
        self.receiver = receiver
        self.application = application
        self._folder = folder
        self._data_dir = folder / "data"
        self._received: set[str] = set()
        receiver.respond = self._take_a_while

    async def start(self) -> Daemon:
        """Start the daemon on the data directory."""
        limits = {"max_in_flight": MOST_IN_FLIGHT, "max_in_flight_per_endpoint": MOST_IN_FLIGHT}
        daemon = await start_daemon(
            self._folder,
            options=["--embedded"],
            sections={"delivery": limits, "embedded": {"data_dir": str(self._data_dir)}},
        )
        try:
            await daemon.wait_until_started(LIMIT)
        except BaseException:
            await daemon.kill()
            raise
        self.find_database()
        return daemon

    def find_database(self) -> None:
        """Look where the server is: each has a socket of its own."""
        self.application.dsn = running_dsn(self._data_dir) or self.application.dsn

    async def publish(self, events: int) -> None:
        """Commit at least so many events, a little faster than they are delivered."""
        books, received = self.application.books, self._received

        async def wanted() -> bool:
            await self.receiver.wait_for(
                lambda: len(books.committed) - len(received) < MOST_WAITING,
                "the backlog to shrink",
                limit=LIMIT,
            )
            return len(books.committed) < events

        await publish_while(wanted, self.application, batch=10, after_loss=self.find_database)

    def _take_a_while(self, request: Received) -> Reply:
        self._received.add(request.event_id)
        return Reply(delay=random.uniform(0.03, 0.12))  # noqa: S311 - no secret

    async def kill(self, daemon: Daemon, after: int) -> tuple[Daemon, Kill]:
        """Kill the daemon after so many receipts, start the next one, and wait until that delivers."""
        receiver = self.receiver
        await receiver.wait_for(
            lambda: len(receiver.receipts) >= after and receiver.open_requests >= LEAST_OPEN,
            f"{after} requests, {LEAST_OPEN} of them open",
            limit=LIMIT,
        )
        open_requests, killed_at = receiver.open_requests, time.monotonic()
        await daemon.kill()
        await receiver.wait_for(lambda: receiver.open_requests == 0, "the connections of the dead to go")
        receipts = len(receiver.receipts)
        successor = await self.start()
        assert is_gone(server_of(daemon)), "the server of the killed daemon lives on"
        server = running(self._data_dir)
        assert server is not None
        assert server.pid == server_of(successor)
        await receiver.wait_for_requests(receipts + 1)
        resumed_after = receiver.receipts[receipts].request.at - killed_at
        return successor, Kill(open_requests=open_requests, receipts=receipts, resumed_after=resumed_after)


def server_of(daemon: Daemon) -> int:
    """Return the process of the daemon's embedded server."""
    pid: int = daemon.logged("embedded.started")[0]["pid"]
    return pid


def repeated(receiver: Receiver, kills: Sequence[Kill]) -> list[int]:
    """Return for each kill how many events came again that had come last between the kill before and this one.

    The last number is of those that came again although no kill followed.
    """
    ends = [*(kill.receipts for kill in kills), len(receiver.receipts)]
    counts = [0] * len(ends)
    last_came: dict[str, int] = {}
    era = 0
    for number, receipt in enumerate(receiver.receipts):
        era += number >= ends[era]
        event_id = receipt.request.event_id
        if event_id in last_came:
            counts[last_came[event_id]] += 1
        last_came[event_id] = era
    return counts


@pytest.mark.parametrize(
    ("events", "kills"),
    [
        pytest.param(1_500, 4, id="quick"),
        pytest.param(10_000, 10, id="ten", marks=[pytest.mark.full, pytest.mark.timeout(600)]),
        pytest.param(30_000, 100, id="hundred", marks=[pytest.mark.full, pytest.mark.timeout(1800)]),
    ],
)
async def test_kills_under_load_lose_nothing_and_repeat_at_most_what_was_in_flight(
    events: int, kills: int, figures: Callable[[str], None]
) -> None:
    began = time.monotonic()
    with open_folder() as folder:
        async with Receiver() as receiver, Application("") as application, asyncio.TaskGroup() as tasks:
            trial = Trial(folder, receiver, application)
            daemon = await trial.start()
            try:
                await application.add_endpoint(receiver.url())
                publishing = tasks.create_task(trial.publish(events))
                killed: list[Kill] = []
                for number in range(1, kills + 1):
                    early_or_late = random.uniform(-0.1, 0.1)  # noqa: S311 - no secret
                    after = int((number + early_or_late) * events / (kills + 1))
                    daemon, kill = await trial.kill(daemon, after)
                    killed.append(kill)
                await publishing
                await application.wait_until(
                    "select not exists (select from relay.fresh)"
                    " and not exists (select from relay.delivery where next_attempt_at is not null)",
                    limit=LIMIT,
                )
                dead = await application.fetchval("select count(*) from relay.delivery")
                findings = await check_everything(application, receiver)
                assert await daemon.terminate() == 0
            finally:
                await daemon.kill()

    *duplicates, uncalled_for = repeated(receiver, killed)
    figures(
        f"{len(application.books.committed)} events, {len(receiver.receipts)} requests, {kills} kills"
        f" in {time.monotonic() - began:.0f} s; open at each {[kill.open_requests for kill in killed]};"
        f" duplicates of each {duplicates}; lost {len(findings.lost)};"
        f" unexpected {len(findings.unexpected)};"
        f" next request after {[round(kill.resumed_after, 1) for kill in killed]} s"
    )
    findings.assert_right(most_duplicates=kills * MOST_IN_FLIGHT)
    assert len(application.books.committed) >= events
    assert all(kill.open_requests >= LEAST_OPEN for kill in killed)
    assert dead == 0
    assert uncalled_for == 0
    assert max(duplicates) <= MOST_IN_FLIGHT


async def test_a_daemon_whose_embedded_server_dies_ends_and_says_where_to_look(tmp_path: Path) -> None:
    with open_folder() as folder:
        daemon = await start_daemon(
            tmp_path, options=["--embedded"], sections={"embedded": {"data_dir": str(folder / "data")}}
        )
        await daemon.wait_for_log("relay.started")

        os.kill(server_of(daemon), signal.SIGKILL)

        assert await daemon.wait() == 1
        assert daemon.logged("relay.failed")
        assert b"data.log" in daemon.stderr
