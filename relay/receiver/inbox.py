"""The whole receiver: verify, store, answer, and handle each event once, later.

    inbox = Inbox("postgresql:///shop", secrets="whsec_...", handler=handle)

    async def handle(connection, event):           # in the transaction that ends the event
        await connection.execute("insert into payment (invoice) values ($1)", event.json()["invoice"])

`await inbox.receive(body, headers)` verifies, commits the event to the table `relay_inbox.event` and returns:
answer 200 then. The adapters in `relay.receiver.adapters` do that for web frameworks. Workers call the handler
**in the transaction that marks the event done**: what it does with its connection happens exactly once, however
often the event comes and whatever dies meanwhile. What it does elsewhere (mails, other services) happens at
least once.

What an event is known by. Its id, per source: `webhook-id` is signed. In the format `x-webhook` the id is not
signed, so a stranger who captured a request can send it again under another id for as long as the signature is
fresh. There the hash of what is signed, `{t}.{body}`, counts too: a content that came before under another id is
refused (409), whichever attempt of the event it was captured from. A sender's own retry has its old id, so it is
a duplicate. Two events of one second with the same body cannot be told from a repetition; since the second is
refused and not dropped, its sender tries again and signs with a new time, and it is taken then. What this
cannot see is a captured request that was never taken here: for that prefer the format `standard`.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Literal, Self

import asyncpg

from relay.receiver import dead, schema
from relay.receiver.arrivals import InboxUnavailable, Incoming, Receipt
from relay.receiver.attempt import Attempts, Handler
from relay.receiver.borrowed import Pool
from relay.receiver.dead import DeadEvent, Stats
from relay.receiver.ear import Ear, Voice
from relay.receiver.intake import Arrival, Intake, content_hash
from relay.receiver.kept_headers import KEPT, event_type_of, kept_headers, text_pairs
from relay.receiver.ordering import Ordering, is_strict, place_of
from relay.receiver.retention import Caretaker, Retention
from relay.receiver.retrying import Retry
from relay.receiver.running import Running
from relay.receiver.statements import PLANS
from relay.receiver.sweep import Sweep
from relay.receiver.verify import VerificationError, verify
from relay.receiver.workers import Workers

SPARE_CONNECTIONS = 6
"""Beside those of the workers: the scout, the sweep, the caretaker, the voice, and two for questions."""
CONNECT_LIMIT = 10.0
IDLE_MARGIN = timedelta(seconds=30)
_SOURCE = re.compile(r"[!-~]{1,200}")


class Inbox:
    """Receives the events of one source into a PostgreSQL database, and has them handled.

    Several processes may share a source: each event goes to one worker at a time. One may receive and another
    handle; without a handler nothing is handled here.

    Args:
        dsn: The receiver's own database, PostgreSQL 15 or later, not through a proxy that pools transactions.
        secrets: One or several, any of which may have signed. `inbox.secrets` may be set anew at any time.
        handler: `async def handler(connection, event)`; the transaction is open, and not its to end. If it
            raises, what it did is undone and it is called again later.
        source: A name for who sends: with another one the same database serves another inbox.
        format: `standard` or `x-webhook`, the one that the sender's endpoint is set to, or one of both.
        tolerance: How far a signature's time may be from now, in seconds.
        ordering: Of events that belong together; None: none. The same in every process of a source.
        concurrency: How many events are handled at once here; each has a connection.
        time_limit: For one call of the handler.
        retry: When a handler that failed is called again.
        retention: How long what is over is kept.
        keep_headers: Names of further request headers that the handler wants to see.
        grace: How long `stop` waits for handlers that have begun.
        poll_interval: How long an event may lie if nothing tells of it.

    Raises:
        ValueError: An argument is not one of those above.
        VerificationError: A secret is not valid.
    """

    def __init__(
        self,
        dsn: str,
        *,
        secrets: str | Sequence[str],
        handler: Handler | None = None,
        source: str = "relay",
        format: Literal["standard", "x-webhook"] = "standard",  # noqa: A002 - as in `verify`
        tolerance: float = 300,
        ordering: Ordering | None = None,
        concurrency: int = 10,
        time_limit: timedelta = timedelta(seconds=60),
        retry: Retry | None = None,
        retention: Retention | None = None,
        keep_headers: Iterable[str] = (),
        grace: timedelta = timedelta(seconds=30),
        poll_interval: timedelta = timedelta(seconds=1),
    ) -> None:
        if format not in {"standard", "x-webhook"}:
            raise ValueError("format must be standard or x-webhook: with `any` no id could be relied on")
        if isinstance(keep_headers, str):
            raise ValueError("give keep_headers as a list of names, not as one text")  # noqa: TRY004 - as below
        if concurrency < 1 or not _SOURCE.fullmatch(source):
            raise ValueError("concurrency must be 1 or more, and source 1 to 200 visible ASCII characters")
        _check_secrets(secrets)
        self.secrets = secrets
        self._dsn = dsn
        self._source = source
        self._format: Literal["standard", "x-webhook"] = format
        self._tolerance = tolerance
        self._ordering = ordering
        self._handler = handler
        self._concurrency = concurrency
        self._time_limit = time_limit
        self._retry = retry or Retry()
        self._retention = retention or Retention()
        self._kept = KEPT | {name.lower() for name in keep_headers}
        self._grace = grace.total_seconds()
        self._poll_interval = poll_interval
        self._running: Running | None = None

    async def migrate(self) -> None:
        """Make the schema `relay_inbox` in the database, or bring it up to date.

        The role must be allowed to create a schema, unless there is nothing to do. `inbox_sql()` is the same for
        other tools.

        Raises:
            InboxSchemaError: The database has a newer schema than this code knows.
            OSError, asyncpg.PostgresError: The database is away, or refuses.
        """
        connection = await asyncpg.connect(self._dsn, timeout=CONNECT_LIMIT)
        try:
            await schema.migrate(connection)
        finally:
            await connection.close(timeout=CONNECT_LIMIT)

    async def start(self) -> None:
        """Connect, check the schema, and begin to store and to handle. Harmless if it is started.

        Raises:
            InboxSchemaError: `migrate` was not called since this code came.
            OSError, asyncpg.PostgresError: The database is away, or refuses.
        """
        if self._running is not None:
            return
        pool = await self._connect()
        try:
            async with pool.acquire() as connection:
                await schema.check(connection)
        except BaseException:
            pool.terminate()
            raise
        self._running = self._start_parts(pool)

    async def stop(self) -> None:
        """Store what has come, let handlers end for the grace, and disconnect. Harmless if it is not started.

        A handler that takes longer is cancelled; its event comes again with the next start.
        """
        running, self._running = self._running, None
        if running is not None:
            await running.stop(self._grace)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def receive(self, body: bytes, headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> Receipt:
        """Verify a request and commit its event; answer 200 to STORED and DUPLICATE, and 409 to REPEATED.

        Args:
            body: The raw bytes of the request's body.
            headers: All headers of the request, as a mapping or as pairs.

        Raises:
            VerificationError: The request is not to be trusted: answer 400.
            InboxUnavailable: Nothing is known to be stored: answer 503.
        """
        pairs = text_pairs(headers)
        verified = verify(body, pairs, self.secrets, format=self._format, tolerance=self._tolerance)
        kept = kept_headers(pairs, self._kept)
        incoming = Incoming(
            event_id=verified.event_id,
            event_type=event_type_of(kept),
            headers=kept,
            body=bytes(body),
            signed_at=verified.timestamp,
        )
        is_id_signed = verified.format == "standard"
        content = None if is_id_signed else content_hash(verified.timestamp, incoming.body)
        place = place_of(self._ordering, incoming)
        return await self._started.intake.store(Arrival(incoming=incoming, place=place, content=content))

    # For the operator.

    async def stats(self) -> Stats:
        """Return how much waits, how long, and how much is dead."""
        return await dead.read_stats(self._started.pool, self._source)

    async def count_dead(self) -> int:
        """Return how many events were given up."""
        return (await self.stats()).dead

    async def list_dead(self, *, after: int = 0, limit: int = 100) -> list[DeadEvent]:
        """Return events that were given up, the oldest first.

        Args:
            after: The `seq` of the last one of the page before.
            limit: How many at most.
        """
        return await dead.list_dead(self._started.pool, self._source, after=after, limit=limit)

    async def retry_dead(self, event_ids: Sequence[str] | None = None) -> int:
        """Have events that were given up handled again, with all their attempts, and return how many.

        Args:
            event_ids: Which; None: all.
        """
        if isinstance(event_ids, str):
            raise TypeError("give event_ids as a list, not as one text")
        running = self._started
        strict = is_strict(self._ordering)
        count = await dead.retry_dead(running.pool, self._source, event_ids, strict=strict)
        running.wake()
        return count

    async def prune(self) -> int:
        """Delete what is older than the retention now rather than within ten minutes; returns how many rows."""
        return await self._started.caretaker.prune()

    @property
    def _started(self) -> Running:
        if self._running is None:
            raise InboxUnavailable("the inbox is not started, or is stopping")
        return self._running

    async def _connect(self) -> Pool:
        # A worker whose machine is gone holds its event until the server ends its session.
        idle = self._time_limit + IDLE_MARGIN
        workers = self._concurrency if self._handler is not None else 0
        return await asyncpg.create_pool(
            self._dsn,
            min_size=1,
            max_size=workers + SPARE_CONNECTIONS,
            timeout=CONNECT_LIMIT,
            server_settings={
                "application_name": "relay inbox",
                **PLANS,
                "idle_in_transaction_session_timeout": str(int(idle.total_seconds() * 1000)),
            },
        )

    def _start_parts(self, pool: Pool) -> Running:
        caretaker = Caretaker(pool, source=self._source, retention=self._retention, tolerance=self._tolerance)
        voice = Voice(pool, self._source)
        if self._handler is None:
            intake = self._intake(voice.tell)
            return Running(pool, intake, caretaker, None, [voice.run()])
        attempts = Attempts(
            pool,
            source=self._source,
            handler=self._handler,
            ordering=self._ordering,
            retry=self._retry,
            time_limit=self._time_limit,
        )
        workers = Workers(
            pool, attempts, source=self._source, count=self._concurrency, poll_interval=self._poll_interval
        )
        ear = Ear(self._dsn, self._source, workers.wake)
        sweep = Sweep(pool, self._source, strict=is_strict(self._ordering), wake=workers.wake)
        intake = self._intake(workers.wake, voice.tell)
        return Running(pool, intake, caretaker, workers, [voice.run(), ear.run(), sweep.run()])

    def _intake(self, *listeners: Callable[[], None]) -> Intake:
        def tell() -> None:
            for listener in listeners:
                listener()

        return Intake(self._dsn, self._source, strict=is_strict(self._ordering), tell=tell)


def _check_secrets(secrets: str | Sequence[str]) -> None:
    """Raise if one of the secrets is none; that something else is missing is expected here."""
    try:
        verify(b"", {}, secrets)
    except VerificationError as error:
        if error.reason == "invalid_secret":
            raise
