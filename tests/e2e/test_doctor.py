"""`relay doctor`: says what is wrong with a database, and `--requeue` mends what bypassed the trigger."""

import asyncio
import subprocess
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from relay.shipped_files import shipped
from tests.support.command_line import CommandLine, Rows, cli, rows
from tests.support.postgres import installed_bindirs, throwaway_postgres
from tests.support.psql import psql
from tests.support.world import World

__all__ = ["cli", "rows"]


def severities(cli: CommandLine) -> dict[str, str]:
    ran = cli.run("doctor")
    found = {each["check"]: each["severity"] for each in ran.data}
    assert ran.code == (1 if "problem" in found.values() else 0)
    return found


def test_a_fresh_database_has_no_problem(cli: CommandLine) -> None:
    found = severities(cli)
    assert set(found.values()) == {"ok", "warning"}
    assert [check for check, severity in found.items() if severity == "warning"] == ["relay"]


@pytest.mark.parametrize(
    ("harm", "check"),
    [
        ("alter table relay.outbox disable trigger outbox_inserted", "trigger"),
        ("drop trigger outbox_inserted on relay.outbox", "trigger"),
        ("insert into relay.fresh (xid, seq, size) values ('9000000000', 1, 1)", "restored"),
        (
            "insert into relay.outbox (seq, event_type, payload) overriding system value values (1000, 'a', '1')",
            "sequence",
        ),
        ("insert into relay.endpoint (url) values ('https://example.com/')", "secrets"),
        (
            "set session_replication_role = replica; insert into relay.outbox (event_type, payload) values ('a', '1')",
            "bypassed",
        ),
    ],
)
async def test_it_says_what_is_wrong(database: str, harm: str, check: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(harm)
    finally:
        await connection.close()

    found = await asyncio.to_thread(severities, CommandLine(database))

    assert [name for name, severity in found.items() if severity == "problem"] == [check]


async def test_rows_that_were_loaded_with_triggers_off_are_found_and_sent(world: World) -> None:
    receiver, application = world.receiver, world.application
    await application.add_endpoint(receiver.url())
    await world.start()
    seen = await application.insert()
    await application.wait_for_state(seen, "delivered")
    await application.execute(
        "begin; set local session_replication_role = replica;"
        " insert into relay.outbox (event_type, payload, ordering_key, created_at)"
        " select 'a.b', json_build_object('n', n), 'k' || n, now() - interval '20 days'"
        " from generate_series(1, 2500) as n; commit"
    )

    code, _ = await world.try_relay("doctor")
    assert code == 1
    findings = await world.relay("doctor", "--requeue", "--yes", "-o", "json")

    assert {each["severity"] for each in findings} <= {"ok", "warning"}
    await receiver.wait_for_requests(2501)
    assert set(receiver.counts().values()) == {1}
    audit = await application.fetch(
        "select detail->>'number' as number from relay.audit where action = 'event.requeue'"
    )
    assert sum(int(row["number"]) for row in audit) == 2500


def copy(bindir: Path, source: str, target: str) -> None:
    """Dump a database, and restore it in another."""
    dumped = subprocess.run([str(bindir / "pg_dump"), source], capture_output=True, check=True)
    restore = [str(bindir / "psql"), "-q", "-v", "ON_ERROR_STOP=1", target]
    subprocess.run(restore, input=dumped.stdout, capture_output=True, check=True)


async def test_after_a_dump_and_a_restore_elsewhere_everything_is_sent(world: World, tmp_path: Path) -> None:
    """The new cluster's transaction ids are far behind, so the events that were not fanned out look like the future."""
    receiver, application = world.receiver, world.application
    await application.add_endpoint(receiver.url())
    ids = [await application.insert() for _ in range(20)]
    await application.execute("update relay.fresh set xid = '4000000000'")
    bindir = installed_bindirs()["wheel"]
    with throwaway_postgres(bindir, {}) as elsewhere:
        target = urlunsplit(urlsplit(elsewhere.dsn)._replace(path="/postgres"))
        await asyncio.to_thread(copy, bindir, world.dsn, target)
        moved = World(target, receiver, application, tmp_path)
        code, _ = await moved.try_relay("doctor")
        assert code == 1

        findings = await moved.relay("doctor", "--requeue", "--yes", "-o", "json")

        assert {each["severity"] for each in findings} <= {"ok", "warning"}
        daemon = await moved.start(options=["--until-idle"])
        assert await daemon.wait(30) == 0
    assert receiver.counts() == {str(each): 1 for each in ids}


async def test_it_tells_the_daemons_own_login_no_other_story(database: str) -> None:
    assert psql(database, shipped("sql/roles.sql").read_text(encoding="utf-8")).returncode == 0
    connection = await asyncpg.connect(database)
    try:
        await connection.execute(
            "do $$ begin if to_regrole('a_relay') is null then create role a_relay login in role relay_daemon; end if;"
            " end $$; insert into relay.outbox (event_type, payload) values ('a', '1')"
        )
    finally:
        await connection.close()
    parts = urlsplit(database)
    own = urlunsplit(parts._replace(netloc=f"a_relay@{parts.netloc.rpartition('@')[2]}"))

    found = await asyncio.to_thread(severities, CommandLine(own))

    assert "problem" not in found.values()


def test_stats_tell_what_waits_and_how_large_everything_is(cli: CommandLine, rows: Rows) -> None:
    endpoint_id = rows.endpoint()
    rows.delivery(endpoint_id, state="dead", reason="exhausted", next_attempt_at=None)
    rows.delivery(endpoint_id, state="retrying")

    found = cli.done("stats")

    assert found["backlog"] == {"dead": 1, "retrying": 1}
    assert found["sizes"]["outbox"] > 0
    assert found["is_relay_running"] is False
    assert found["active_endpoints"] == 1
