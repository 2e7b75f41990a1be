"""What a benchmark stands on: a folder that goes away again, a durable PostgreSQL, a sink, and databases made anew."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from relay.bench import server_log, statements
from relay.bench.load import Connection
from relay.bench.sink import Sink
from relay.demo.places import throw_away_folder
from relay.embedded import EmbeddedPostgres
from relay.store import migrate

OBSERVER = "observer"
"""The role of whoever measures; what it does is told apart from what the relay does."""
SUBJECT = "postgres"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A server and a sink.

    Attributes:
        folder: For logs and other files.
        server: PostgreSQL, with its default settings and fsync on.
        sink: Who receives.
        counts_statements: Whether pg_stat_statements is there.
    """

    folder: Path
    server: EmbeddedPostgres
    sink: Sink
    counts_statements: bool

    @asynccontextmanager
    async def database(self, name: str, template: str | None = None) -> AsyncIterator[str]:
        """Make a database with Relay's schema, and drop it at the end; gives its connection string.

        Args:
            name: Its name.
            template: Another one that nobody is connected to, to make a copy of; None: an empty one.
        """
        copied = f' template "{template}" strategy file_copy' if template else ""
        await administer(self.server, f'create database "{name}"{copied}')
        try:
            dsn = _with_database(self.server.dsn, name)
            if template is None:
                await migrate.up(dsn)
            yield dsn
        finally:
            await administer(self.server, f'drop database "{name}" with (force)')

    @asynccontextmanager
    async def observer(self, dsn: str) -> AsyncIterator[Connection]:
        """Connect as whoever measures."""
        # How many rows a condition leaves depends on the value, and a plan for no value in particular would not know.
        connection = await asyncpg.connect(
            dsn, user=OBSERVER, server_settings={"plan_cache_mode": "force_custom_plan"}
        )
        try:
            if self.counts_statements:
                await statements.prepare(connection)
            yield connection
        finally:
            await connection.close()


@asynccontextmanager
async def set_stage(
    *, bindir: Path | None = None, options: Mapping[str, str] | None = None
) -> AsyncIterator[Stage]:
    """Start server and sink; call it in the main thread.

    Args:
        bindir: The folder of PostgreSQL's programs; None: those that Relay chooses.
        options: Settings of the server beside those of every embedded one.

    Raises:
        EmbeddedError: PostgreSQL cannot be started.
        SinkError: The sink cannot be started.
    """
    counts = statements.may_count(bindir)
    settings = {**server_log.OPTIONS, **(statements.OPTIONS if counts else {}), **(options or {})}
    with (
        throw_away_folder() as folder,
        EmbeddedPostgres(folder / "db", bindir=bindir, options=settings) as server,
    ):
        async with Sink(folder) as sink:
            await administer(server, f"create role {OBSERVER} superuser login")
            yield Stage(folder=folder, server=server, sink=sink, counts_statements=counts)


async def administer(server: EmbeddedPostgres, statement: str) -> None:
    """Run a statement that is about the whole server."""
    connection = await asyncpg.connect(server.dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _with_database(dsn: str, name: str) -> str:
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))
