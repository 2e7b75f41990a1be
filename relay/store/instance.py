"""This process among the relays of its database: one is active, the others wait to take over."""

import asyncio
import time
from collections.abc import Callable, Iterable
from datetime import datetime

import asyncpg

from relay import __version__
from relay.observe.logs import get_logger
from relay.store.processes import ProcessIdentity, is_gone, this_process
from relay.store.session import DatabaseAway, Session
from relay.store.watch import Backoff

log = get_logger()

BEAT = 1.0
"""Seconds between two signs of life."""
SILENT_FOR = 3.0
"""Seconds after which an instance that does not hold the lock counts as gone."""


class Instance:
    """Registers this process, tries to become the active relay, and keeps saying that it lives.

    The lock belongs to the session: whoever loses the connection loses it, and starts nothing more until it is back.

    Args:
        session: A connection of its own, with a time-out of two seconds or less.
        patient: A session for what may take longer than that.
        backoff: Pauses between tries while the database is away.
        activated: Called whenever this process became active, before anything is started.

    Attributes:
        active: Set while this process is the active relay.
        standby: Set while another one is.
        has_operation: Set with each sign of life while an operation is to be worked on; whoever finds none clears it.
    """

    def __init__(
        self, *, session: Session, patient: Session, backoff: Backoff, activated: Callable[[], None]
    ) -> None:
        self._session = session
        self._patient = patient
        self._backoff = backoff
        self._activated = activated
        self._others_settled = False
        self._backends: list[tuple[int, datetime]] = []
        self.active = asyncio.Event()
        self.standby = asyncio.Event()
        self.has_operation = asyncio.Event()
        self.has_operation.set()  # as far as is known
        self.id = 0

    async def register(self, key_ids: Iterable[str]) -> None:
        """Enter this process among the relays.

        Args:
            key_ids: The master keys that it holds.

        Raises:
            DatabaseAway: As of any statement.
        """
        me = this_process()
        row = await self._session.fetch_row(
            "instance_register", me.host, me.boot_id, me.pid, me.started, __version__, sorted(key_ids)
        )
        assert row is not None  # noqa: S101 - an insert returns its row
        self.id = row["id"]

    async def hold(self, key_ids: Iterable[str]) -> None:
        """Say that it holds these master keys from now on, and no others.

        Raises:
            DatabaseAway: As of any statement.
        """
        await self._patient.fetch("instance_keys", self.id, sorted(key_ids))

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            try:
                await self._beat()
                self._backoff.succeeded()
            except (DatabaseAway, asyncpg.PostgresError) as error:
                self.active.clear()
                await self._backoff.failed(error)
                continue
            await asyncio.sleep(BEAT)

    async def leave(self, *, is_empty_handed: bool) -> None:
        """Let a standby take over at once.

        Args:
            is_empty_handed: We hold no lease any more. Else the row stays as it is, so that the next relay finds us
                gone and returns what we held.
        """
        try:
            if is_empty_handed:
                await self._session.fetch("instance_beat", self.id, "stopped")
            if self.active.is_set():
                await self._session.fetch("instance_unlock")
        except (DatabaseAway, asyncpg.PostgresError):
            pass  # the lock goes with the connection, and the row tells by its age
        self.active.clear()

    async def _beat(self) -> None:
        was_active = self.active.is_set() and self._session.is_open
        if not was_active:
            self.active.clear()
            await self._end_old_backends()
            row = await self._session.fetch_row("instance_lock")
            assert row is not None  # noqa: S101 - a select of one value returns a row
            if not row["is_active"]:
                await self._session.fetch("instance_beat", self.id, "standby")
                if not self.standby.is_set():
                    self.standby.set()
                    log.info("relay.standby", instance_id=self.id)
                return
            self._others_settled = False
        seen = await self._session.fetch_row("instance_beat", self.id, "active")
        if seen is None or seen["has_operation"]:  # without a row of ours it is not known
            self.has_operation.set()
        if not self._others_settled:
            await self._return_leases()
        if not was_active:
            self.standby.clear()
            self._activated()
            self.active.set()
            log.info("relay.active", instance_id=self.id)

    async def _end_old_backends(self) -> None:
        """End what broken connections of ours left at the server: until it notices, that would keep the lock."""
        if self._backends and self._session.is_open:
            return
        row = await self._session.fetch_row("instance_backend")
        assert row is not None  # noqa: S101 - a session sees itself
        self._backends.append((row["pid"], row["backend_start"]))
        while len(self._backends) > 1:
            await self._session.fetch("instance_end_backend", *self._backends[0])
            del self._backends[0]

    async def _return_leases(self) -> None:
        """Return the leases of instances that are gone; those that may live are asked about again."""
        others = await self._session.fetch("instance_others", self.id)
        gone = [
            row["id"]
            for row in others
            if row["silent_for"] > SILENT_FOR
            or is_gone(
                ProcessIdentity(
                    host=row["host"], boot_id=row["boot_id"], pid=row["pid"], started=row["process_started"]
                )
            )
        ]
        is_all = not gone or await self._return_leases_of(gone)
        self._others_settled = is_all and len(gone) == len(others)

    async def _return_leases_of(self, gone: list[int]) -> bool:
        """Return leases; False if somebody held some of them locked, so that they must be asked for again."""
        started = time.monotonic()
        row = await self._patient.fetch_row("return_leases", gone)
        assert row is not None  # noqa: S101 - an aggregate returns its row
        waited = round((time.monotonic() - started) * 1000)
        log.info("leases.returned", deliveries=row["returned"], waited_ms=waited)
        if row["returned"]:
            self._activated()
        return not row["locked"]
