"""The command line in tests: run in this process, against a database that the test fills with what it needs."""

import asyncio
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from click.testing import CliRunner

from relay.__main__ import relay

LOOPBACK = {"RELAY_SECURITY__ALLOW_CIDRS": "127.0.0.0/8", "RELAY_SECURITY__ALLOW_HTTP": "true"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """Return standard output, which must be JSON."""
        return json.loads(self.out)


class CommandLine:
    """Runs `relay` commands against one database."""

    def __init__(self, dsn: str) -> None:
        self.environment = {**LOOPBACK, "RELAY_DATABASE__DSN": dsn}

    def run(self, *arguments: object, stdin: str | bytes | None = None) -> Ran:
        """Run a command; an exception that no exit code was found for is the test's failure."""
        result = CliRunner().invoke(
            relay,
            [str(each) for each in arguments],
            input=stdin,
            env=self.environment,
            catch_exceptions=False,
            prog_name="relay",
        )
        return Ran(code=result.exit_code, out=result.stdout, err=result.stderr)

    def done(self, *arguments: object, stdin: str | bytes | None = None) -> Any:
        """Run a command that must succeed, and return its data."""
        ran = self.run(*arguments, stdin=stdin)
        assert ran.code == 0, ran.err
        return ran.data


class Rows:
    """Puts rows into a database, and reads them."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def fetch(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """Run a statement and return its rows."""

        async def work() -> list[asyncpg.Record]:
            connection = await asyncpg.connect(self._dsn)
            try:
                return await connection.fetch(statement, *arguments)
            finally:
                await connection.close()

        return asyncio.run(work())

    def insert(self, table: str, **values: object) -> asyncpg.Record:
        """Insert one row, with defaults for what is not given, and return it."""
        columns = ", ".join(values)
        places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
        statement = f"insert into relay.{table} ({columns}) values ({places}) returning *"
        return self.fetch(statement, *values.values())[0]

    def endpoint(self, **values: object) -> UUID:
        """Insert an endpoint with a secret."""
        row = self.insert("endpoint", **{"url": "http://127.0.0.1:9000/hook", **values})
        self.insert(
            "endpoint_secret",
            endpoint_id=row["id"],
            sealed=b"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        )
        endpoint_id: UUID = row["id"]
        return endpoint_id

    def event(self, *, fanned_out: bool = True, **values: object) -> asyncpg.Record:
        """Insert an event, which counts as fanned out unless told otherwise."""
        row = self.insert("outbox", **{"event_type": "invoice.paid", "payload": '{"id": 42}', **values})
        if fanned_out:
            self.fetch("delete from relay.fresh where seq = $1", row["seq"])
        return row

    def delivery(self, endpoint_id: UUID, *, event: asyncpg.Record | None = None, **values: object) -> str:
        """Insert a delivery that failed once and is dead, unless told otherwise, and return its name."""
        event = event or self.event()
        dead = {"state": "dead", "reason": "exhausted", "ended_at": datetime.now(UTC)}
        waiting = {"next_attempt_at": datetime.now(UTC)}
        defaults = waiting if values.get("state", "dead") not in {"dead", "cancelled"} else dead
        self.insert(
            "delivery",
            **{
                "event_seq": event["seq"],
                "endpoint_id": endpoint_id,
                "claim": 1,
                "recorded": 1,
                "attempt": 1,
                "window_attempt": 1,
                "window_started_at": datetime.now(UTC),
                "size": 10,
                "last_status_code": 500,
                **defaults,
                **values,
            },
        )
        return f"{event['id']}/{endpoint_id}"

    def attempt(self, endpoint_id: UUID, event: asyncpg.Record, **values: object) -> None:
        """Insert a row of the log: a delivered attempt, unless told otherwise."""
        self.insert(
            "attempt",
            **{
                "event_seq": event["seq"],
                "endpoint_id": endpoint_id,
                "claim": 1,
                "attempted_at": datetime.now(UTC),
                "attempt": 1,
                "duration_ms": 12,
                "status_code": 200,
                "stale": False,
                "ended": True,
                "outcome": "delivered",
                "trigger_type": "automatic",
                "url": "http://127.0.0.1:9000/hook",
                "request_headers": '{"Content-Type": "application/json"}',
                "response_headers": '{"Server": "test"}',
                "response_body": "ok",
                **values,
            },
        )

    def of(self, name: str) -> asyncpg.Record:
        """Return the row of a delivery."""
        event_id, endpoint_id = (UUID(part) for part in name.split("/"))
        return self.fetch(
            "select d.* from relay.delivery d join relay.outbox o on o.seq = d.event_seq "
            "where o.id = $1 and d.endpoint_id = $2",
            event_id,
            endpoint_id,
        )[0]

    def audit(self) -> list[tuple[str, str]]:
        """Return action and object of every row of the audit, and check that each says who acted."""
        rows = self.fetch("select actor, action, object from relay.audit order by id")
        assert all(row["actor"].startswith("cli:") for row in rows)
        return [(row["action"], row["object"]) for row in rows]


def nobody() -> UUID:
    """Return an id that nothing has."""
    return uuid4()


@pytest.fixture
def cli(database: str, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """Provide the command line on a fresh database."""
    for name in list(os.environ):
        if name.startswith("RELAY_"):
            monkeypatch.delenv(name)
    return CommandLine(database)


@pytest.fixture
def rows(database: str) -> Rows:
    """Provide the rows of the same database."""
    return Rows(database)
