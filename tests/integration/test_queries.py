"""Every statement of the product: it fits the schema, says what it takes, and the daemon's role may run it."""

import re

import asyncpg
import pytest

from relay.shipped_files import shipped
from relay.store.sql import query
from tests.support.database import Connection, Servers, connected
from tests.support.psql import psql

NAMES = sorted(path.stem for path in (shipped("sql") / "queries").glob("*.sql"))
PARAMETER = re.compile(r"^-- \$(\d+) ([a-z_0-9]+): \S.*$", re.MULTILINE)


def head(name: str) -> str:
    """Return the comment lines that a statement begins with."""
    lines = query(name).splitlines()
    count = next(number for number, line in enumerate(lines) if not line.startswith("--"))
    return "\n".join(lines[:count])


def test_there_are_statements() -> None:
    assert len(NAMES) > 10


@pytest.mark.parametrize("name", NAMES)
async def test_a_statement_prepares_and_its_head_documents_its_parameters(
    rolled_back: Connection, name: str
) -> None:
    statement = await rolled_back.prepare(query(name))
    documented = [int(number) for number, _ in PARAMETER.findall(head(name))]
    assert documented == list(range(1, len(statement.get_parameters()) + 1))


@pytest.mark.parametrize("name", NAMES)
def test_the_head_says_what_the_statement_does(name: str) -> None:
    first = head(name).splitlines()[0]
    assert re.match(r"-- [A-Z].*\S$", first), first
    names = [found for _, found in PARAMETER.findall(head(name))]
    assert len(names) == len(set(names))


async def test_the_daemons_role_may_run_every_statement(database_servers: Servers) -> None:
    with database_servers["wheel"].fresh() as dsn:
        assert psql(dsn, shipped("sql/roles.sql").read_text(encoding="utf-8")).returncode == 0
        async with connected(dsn) as connection:
            await connection.execute("set session authorization relay_daemon")
            for name in NAMES:
                # It checks the rights and plans without values; nothing is run.
                await connection.execute(f"explain (generic_plan) {query(name)}")
            await connection.execute("set session authorization relay_app")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"explain (generic_plan) {query('look')}")


async def test_a_sign_of_life_tells_whether_an_operation_is_to_be_worked_on(rolled_back: Connection) -> None:
    me = await rolled_back.fetchval(query("instance_register"), "host", "boot", 1, "1", "1.0", [])

    async def beat() -> object:
        return await rolled_back.fetchval(query("instance_beat"), me, "active")

    assert await beat() is False
    await rolled_back.execute(
        "insert into relay.operation (kind, selection, actor, state)"
        " values ('retry', '{}', 'cli:anna', 'prepared'), ('retry', '{}', 'cli:anna', 'paused')"
    )
    assert await beat() is False
    await rolled_back.execute("update relay.operation set state = 'running' where state = 'paused'")
    assert await beat() is True
