"""The life of one demo on a database: schema, receiver, endpoints, relay, application; then the report."""

import asyncio
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from uuid import UUID

import asyncpg

from relay.admin.operations import endpoints, tokens
from relay.admin.operations.endpoint_values import NewEndpoint, UrlRules
from relay.admin.operations.endpoints import AddedEndpoint
from relay.config import Security
from relay.demo import partner
from relay.demo.application import STATEMENT_LIMIT, Application
from relay.demo.business import SCHEMA, SUBSCRIPTIONS, TENANT
from relay.demo.daemon import LOOPBACK, Daemon
from relay.demo.harm import NoHarm
from relay.demo.partner import Partner
from relay.demo.picture import Hint
from relay.demo.proof import compare_with_log, prove
from relay.demo.receiver import Receiver
from relay.demo.records import Pair
from relay.demo.report import Report
from relay.demo.screen import Screen
from relay.demo.stops import Stops
from relay.demo.tally import Tally
from relay.http.build import address_policy
from relay.store import migrate
from relay.store.secrets import SecretBox
from relay.store.session import Session

STANDSTILL = 20.0
"""Seconds without any progress after which the demo ends."""
LAST_WAIT = 6.0
"""The same once it was asked to end."""
LOOK_EVERY = 0.25
LINK_LIFETIME = timedelta(days=1)
"""The link to the panel can be used as long as somebody may watch."""
DELIVERED = """
select event_id::text as id, endpoint_id
from relay.delivery_log
where outcome = 'delivered' and endpoint_id = any($1::uuid[])
"""
LOG_LIMIT = 60.0
"""Seconds to read the delivery log at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a demo is to do.

    Attributes:
        events: How many events to commit; None: until it is stopped.
        rate: Events a second at most; None: as fast as it goes.
        bindir: The folder of PostgreSQL's programs; None: those that Relay chooses.
    """

    events: int | None
    rate: float | None
    bindir: Path | None = None


class Show:
    """One demo on a running database.

    Args:
        plan: What to do.
        dsn: The database, empty.
        log: The file for what the relay writes.
        port: For the relay's health endpoints.
        admin_port: For its panel.
        hints: Where to look meanwhile.
        stops: When to end.
        harm: What to do wrong on purpose.
    """

    def __init__(
        self,
        *,
        plan: Plan,
        dsn: str,
        log: Path,
        port: int,
        admin_port: int,
        hints: tuple[Hint, ...],
        stops: Stops,
        harm: NoHarm,
    ) -> None:
        self._dsn = dsn
        self._port = port
        self._admin_port = admin_port
        self._stops = stops
        self._harm = harm
        self._tally = Tally()
        self._application = Application(dsn=dsn, tally=self._tally, goal=plan.events, rate=plan.rate)
        self._daemon = Daemon(log)
        self._receiver = Receiver(tally=self._tally, harm=harm)
        self._partner = Partner()
        self._screen = Screen(tally=self._tally, goal=plan.events, hints=hints)
        self._names: dict[UUID, str] = {}

    async def run(self) -> Report:
        """Run to the end and return what there is to say about it."""
        await self._prepare()
        started = time.monotonic()
        async with self._receiver, self._partner:
            await self._set_up()
            try:
                await self._daemon.start(dsn=self._dsn, port=self._port, admin_port=self._admin_port)
                await self._daemon.answers(self._admin_port)  # a link is followed as soon as it is shown
                async with self._screen.shown():
                    trouble = await self._live()
            finally:
                await self._daemon.stop()
        return await self._report(trouble, time.monotonic() - started)

    async def _prepare(self) -> None:
        await migrate.up(self._dsn)
        connection = await asyncpg.connect(self._dsn)
        try:
            await connection.execute(SCHEMA)
        finally:
            await connection.close()

    async def _set_up(self) -> None:
        """Add the endpoints and what the partner is to refuse, and make the link to the panel."""
        session = Session(self._dsn, name="demo")
        try:
            for name, patterns in SUBSCRIPTIONS.items():
                added = await self._add(session, self._receiver.url(name), name, TENANT, patterns)
                self._receiver.secrets[name] = added.secret
                self._names[added.endpoint.id] = name
            added = await self._add(session, self._partner.url, partner.DESCRIPTION, partner.TENANT, ("*",))
            self._partner.secret = added.secret
            self._screen.hints = (await self._panel_hint(session), *self._screen.hints)
        finally:
            await session.close()
        await partner.insert_shipments(self._dsn)

    async def _add(
        self, session: Session, url: str, description: str, tenant: str, patterns: tuple[str, ...]
    ) -> AddedEndpoint:
        security = Security(allow_http=True, allow_cidrs=(ip_network(LOOPBACK),))
        rules = UrlRules(
            allow_http=True, allow_ports=security.allow_ports, policy=address_policy(security), own=()
        )
        wanted = NewEndpoint(url=url, description=description, tenant=tenant, event_types=patterns)
        return await endpoints.add(session, wanted, rules=rules, box=SecretBox(), actor="demo")

    async def _panel_hint(self, session: Session) -> Hint:
        made = await tokens.create(session, "demo", scope="admin", actor="demo")
        code = await tokens.create_link_code(session, made.token.id, lifetime=LINK_LIFETIME)
        return Hint(name="panel", command=f"http://127.0.0.1:{self._admin_port}/sign-in?code={code}")

    async def _live(self) -> str:
        """Deliver until everything has arrived, or something is in the way; return what, or nothing."""
        working = asyncio.create_task(self._application.run(), name="application")
        arriving = asyncio.create_task(self._arrive(working), name="arrivals")
        watching = [
            asyncio.create_task(work) for work in (self._daemon.ended(), self._stand_still(), self._hurry())
        ]
        asked = asyncio.create_task(self._stop_when_asked(), name="stop")
        try:
            first, _ = await asyncio.wait({arriving, *watching}, return_when=asyncio.FIRST_COMPLETED)
            return (arriving if arriving in first else first.pop()).result()
        finally:
            self._application.stop()
            await asyncio.wait({working}, timeout=STATEMENT_LIMIT)
            tasks = (working, arriving, asked, *watching)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _arrive(self, working: asyncio.Task[None]) -> str:
        """Wait until the application has ended and all that it committed has arrived."""
        try:
            await working
        except ExceptionGroup as group:
            return f"the application failed: {', '.join(map(repr, group.exceptions))}"
        self._screen.state = self._screen.state or "waiting for the last deliveries"
        await self._harm.send(self._tally.rolled_back, self._receiver)
        await self._tally.whole.wait()
        return ""

    async def _stop_when_asked(self) -> None:
        await self._stops.asked.wait()
        self._screen.state = "ending; Ctrl-C again does not wait"
        self._application.stop()

    async def _hurry(self) -> str:
        await self._stops.hurry.wait()
        return f"ended at once, as asked, with {self._tally.under_way} deliveries under way"

    async def _stand_still(self) -> str:
        """Wait until nothing has moved for too long although deliveries are under way.

        Looks are counted, not the clock read: time that the demo itself was suspended does not count.
        """
        seen, quiet = self._tally.progress, 0.0
        while quiet < (LAST_WAIT if self._stops.asked.is_set() else STANDSTILL):
            await asyncio.sleep(LOOK_EVERY)
            has_moved = self._tally.progress != seen or self._tally.whole.is_set()
            seen, quiet = self._tally.progress, 0.0 if has_moved else quiet + LOOK_EVERY
        return (
            f"nothing has moved for {quiet:.0f} s, with {self._tally.under_way} deliveries under way;"
            f" the end of the relay's log:\n{self._daemon.tail()}"
        )

    async def _report(self, trouble: str, seconds: float) -> Report:
        tally = self._tally
        proof = prove(tally.committed, tally.rolled_back.keys(), tally.receipts)
        invoices: int | None = None
        logged: list[Pair] | None = None
        try:
            invoices, logged = await self._read_database()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            trouble = trouble or f"the database could not be read at the end: {error!r}"
        else:
            findings = (*proof.findings, *compare_with_log(tally.receipts, logged))
            proof = replace(proof, findings=findings)
        return Report(
            proof=proof,
            transactions=tally.transactions,
            undone=tally.undone,
            invoices=invoices,
            logged=None if logged is None else len(logged),
            refused=self._partner.refused,
            rescued=self._partner.taken,
            seconds=seconds,
            trouble=trouble,
        )

    async def _read_database(self) -> tuple[int, list[Pair]]:
        """Return how many invoices there are, and the deliveries that the log calls delivered."""
        connection = await asyncpg.connect(self._dsn, command_timeout=LOG_LIMIT)
        try:
            invoices: int = await connection.fetchval("select count(*) from app.invoices")
            rows = await connection.fetch(DELIVERED, list(self._names))
        finally:
            await connection.close()
        return invoices, [
            (row["id"], self._names.get(row["endpoint_id"], str(row["endpoint_id"]))) for row in rows
        ]
