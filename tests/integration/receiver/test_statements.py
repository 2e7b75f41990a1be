"""Every statement of the inbox: it fits the schema, and its head says what it takes."""

import re
from collections.abc import AsyncIterator

import pytest

from relay.receiver.statements import FOLDER, statement
from tests.support.database import Connection, connected
from tests.support.inbox import make_inbox

NAMES = sorted(path.stem for path in (FOLDER / "queries").glob("*.sql"))
PARAMETER = re.compile(r"^-- \$(\d+) [a-z_0-9]+: \S.*$", re.MULTILINE)


@pytest.fixture
async def connection(empty_database: str) -> AsyncIterator[Connection]:
    await make_inbox(empty_database).migrate()
    async with connected(empty_database) as found:
        yield found


async def test_every_statement_prepares_and_its_head_documents_its_parameters(connection: Connection) -> None:
    assert len(NAMES) > 10
    for name in NAMES:
        prepared = await connection.prepare(statement(name))
        head = "\n".join(line for line in statement(name).splitlines() if line.startswith("--"))
        documented = [int(number) for number in PARAMETER.findall(head)]
        assert documented == list(range(1, len(prepared.get_parameters()) + 1)), name
        assert re.match(r"-- [A-Z].*\S$", head.splitlines()[0]), name


async def plan_of(connection: Connection, name: str, types: str, values: str) -> str:
    await connection.execute(f"prepare look ({types}) as {statement(name)}")
    rows = await connection.fetch(f"explain execute look({values})")
    return "\n".join(row[0] for row in rows)


@pytest.mark.parametrize(
    ("name", "types", "values", "indexes"),
    [
        ("find_due", "text, bigint[], bigint", "'relay', '{1,2,3}', 20", ["event_due"]),
        ("release_keys", "text, text[], boolean", "'relay', '{1,2,3}', true", ["event_of_key", "event_pkey"]),
        ("held_keys", "text", "'relay'", ["event_held"]),
        ("stats", "text", "'relay'", ["event_due", "event_dead"]),
    ],
)
async def test_looking_for_what_comes_next_reads_nothing_that_does_not(
    connection: Connection, name: str, types: str, values: str, indexes: list[str]
) -> None:
    await connection.execute(
        "insert into relay_inbox.event"
        " (source, event_id, headers, body, signed_at, state, next_attempt_at, ended_at, ordering_key)"
        " select 'relay', n::text, '{}', '', now(), case when n % 10 = 0 then 'waiting' else 'done' end,"
        " case when n % 20 = 0 then 'infinity' when n % 10 = 0 then now() end,"
        " case when n % 10 > 0 then now() end, (n % 1000)::text"
        " from generate_series(1, 50000) n"
    )
    await connection.execute("analyze relay_inbox.event")
    await connection.execute("set plan_cache_mode = force_generic_plan")

    plan = await plan_of(connection, name, types, values)

    assert "Seq Scan" not in plan, plan
    assert [index for index in indexes if index not in plan] == [], plan
