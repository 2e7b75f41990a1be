"""How many statements a role has sent, by pg_stat_statements."""

from collections import Counter
from pathlib import Path

from relay.bench.load import Connection
from relay.embedded.binaries import find_bindir

LIBRARY = "pg_stat_statements"
OPTIONS = {"shared_preload_libraries": LIBRARY}
"""Settings of the server that counts."""
COUNT = """
select coalesce(sum(s.calls), 0)::bigint
from pg_stat_statements s
join pg_roles r on r.oid = s.userid
join pg_database d on d.oid = s.dbid
where r.rolname = $1
  and d.datname = current_database()
"""
COUNT_EACH = """
select s.query, sum(s.calls)::bigint as calls
from pg_stat_statements s
join pg_roles r on r.oid = s.userid
join pg_database d on d.oid = s.dbid
where r.rolname = $1
  and d.datname = current_database()
group by s.query
"""


def may_count(bindir: Path | None) -> bool:
    """Say whether the server's folder has the library."""
    return (find_bindir(bindir).parent / "lib" / f"{LIBRARY}.so").exists()


async def prepare(connection: Connection) -> None:
    """Make the view there."""
    await connection.execute(f"create extension if not exists {LIBRARY}")


async def count_each(connection: Connection, role: str) -> Counter[str]:
    """Return the same of each statement, by its text."""
    return Counter({row["query"]: row["calls"] for row in await connection.fetch(COUNT_EACH, role)})


async def count(connection: Connection, role: str) -> int:
    """Return how many statements the role has sent to this database since the last reset."""
    sent: int = await connection.fetchval(COUNT, role)
    return sent
