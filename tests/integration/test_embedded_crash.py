import asyncio
import os
import signal
import tempfile
from pathlib import Path

import asyncpg
import pytest

from relay.embedded import AlreadyRunning, running_dsn
from relay.embedded.binaries import find_bindir
from relay.embedded.ownership import owner_file
from relay.embedded.postmaster import read_postmaster, servers_in
from relay.embedded.serverlog import log_file
from tests.support.embedded import (
    as_server_user,
    ask,
    data_dir,
    fetch,
    home,
    is_gone,
    made,
    owner,
    server_on,
    wait_until,
)

__all__ = ["data_dir", "home", "made"]

STATE = "select state from pg_stat_activity where pid = $1"
BUSY = "do $$ begin while clock_timestamp() < now() + interval '1 min' loop end loop; end $$"


@pytest.mark.parametrize("waits", [True, False], ids=["after a while", "at once"])
def test_an_owner_killed_takes_its_server_along_and_the_next_start_is_clean(
    data_dir: Path, *, waits: bool
) -> None:
    with owner(data_dir) as holder:
        started = holder.answer()
        _write_asynchronously(started["dsn"])
        holder.kill()
        if waits:
            wait_until(lambda: is_gone(started["pid"]), "the end of the server")

        with server_on(data_dir) as server:
            rows = ask(server.dsn, "select count(*) from written")
            socket_dir_of_killed = Path(started["dsn"].partition("host=")[2].partition("&")[0])

    assert rows == 1000
    assert not socket_dir_of_killed.exists()
    assert "not properly shut down" not in log_file(data_dir).read_text(encoding="utf-8")


def test_a_server_that_outlived_its_owner_is_ended_and_started_anew(data_dir: Path) -> None:
    with owner(data_dir, bound=False) as holder:
        orphan = holder.answer()
        _write_asynchronously(orphan["dsn"])
        holder.kill()
        assert not is_gone(orphan["pid"])

        with server_on(data_dir) as server:
            rows = ask(server.dsn, "select count(*) from written")

    assert rows == 1000
    assert is_gone(orphan["pid"])


def test_a_server_that_was_killed_is_recovered(data_dir: Path) -> None:
    with server_on(data_dir) as server:
        _write_asynchronously(server.dsn)
        ask(server.dsn, "checkpoint")
        server.process.kill()

    assert (data_dir / "postmaster.pid").exists()
    with server_on(data_dir) as server:
        assert ask(server.dsn, "select count(*) from written") == 1000


async def test_a_child_that_did_not_notice_the_death_of_its_server_is_ended_first(data_dir: Path) -> None:
    with server_on(data_dir) as server:
        connection = await asyncpg.connect(server.dsn)
        child = connection.get_server_pid()
        busy = asyncio.create_task(connection.execute(BUSY))
        while await fetch(server.dsn, STATE, child) != "active":
            pass
        server.process.kill()
        server.process.wait(30)
    wait_until(lambda: servers_in(data_dir) == [child], "the end of the other children")

    with server_on(data_dir) as server:
        value = await fetch(server.dsn, "select 1")

    assert value == 1
    assert is_gone(child)
    with pytest.raises((asyncpg.PostgresError, asyncpg.PostgresConnectionError, ConnectionError)):
        await busy


def test_a_recycled_pid_in_the_file_of_a_dead_server_is_no_obstacle(data_dir: Path) -> None:
    with server_on(data_dir) as server:
        server.process.kill()
    lines = (data_dir / "postmaster.pid").read_text(encoding="utf-8").splitlines()

    with as_server_user(["/bin/sleep", "600"], data_dir) as stranger:
        lines[0] = str(stranger.pid)
        (data_dir / "postmaster.pid").write_text("\n".join(lines), encoding="utf-8")
        assert running_dsn(data_dir) is None
        with server_on(data_dir) as server:
            assert ask(server.dsn, "select 1") == 1
        assert stranger.poll() is None


@pytest.mark.parametrize("content", ["", "\n", "x", "123"])
def test_a_torn_pid_file_is_no_obstacle(data_dir: Path, content: str) -> None:
    (data_dir / "postmaster.pid").write_text(content, encoding="utf-8")

    with server_on(data_dir) as server:
        assert ask(server.dsn, "select 1") == 1


def test_a_kill_in_the_middle_of_initdb_costs_only_that_attempt(home: Path) -> None:
    with owner(home / "data") as holder:
        wait_until(lambda: any(home.glob("data.initdb-*/PG_VERSION")), "the middle of initdb")
        holder.kill()
    assert not (home / "data").exists()

    with server_on(home / "data") as server:
        assert ask(server.dsn, "select 1") == 1

    assert not any(home.glob("data.initdb-*"))


def test_a_server_that_somebody_else_started_is_left_alone(data_dir: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as socket_dir:
        Path(socket_dir).chmod(0o777)
        postgres = find_bindir(None) / "postgres"
        argv: list[str | Path] = [postgres, "-D", data_dir, "-c", "listen_addresses=", "-k", socket_dir]
        with as_server_user(argv, data_dir) as foreign:
            wait_until(lambda: running_dsn(data_dir) is not None, "the start of the other server")

            with pytest.raises(AlreadyRunning, match="did not start") as refused, server_on(data_dir):
                pass

            assert refused.value.dsn == running_dsn(data_dir)
            assert foreign.poll() is None


@pytest.mark.parametrize(
    "content", ["", "{", '{"pid": 1}', "null", '{"pid": 1, "started": 1, "socket_dir": 3}']
)
def test_a_damaged_record_of_the_owner_is_no_obstacle(data_dir: Path, content: str) -> None:
    owner_file(data_dir).write_text(content, encoding="utf-8")

    with server_on(data_dir) as server:
        assert ask(server.dsn, "select 1") == 1


async def test_connections_that_are_open_do_not_delay_a_stop(data_dir: Path) -> None:
    with server_on(data_dir) as server:
        connection = await asyncpg.connect(server.dsn)
        pid = server.pid

    assert is_gone(pid)
    assert read_postmaster(data_dir) is None
    connection.terminate()


def test_a_server_that_is_stopped_by_hand_can_still_be_stopped(data_dir: Path) -> None:
    with server_on(data_dir) as server:
        os.kill(server.pid, signal.SIGINT)
        server.process.wait(30)

    assert read_postmaster(data_dir) is None


def _write_asynchronously(dsn: str) -> None:
    asyncio.run(_write(dsn))


async def _write(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("create table written (n int)")
    await connection.execute("set synchronous_commit = off")
    for n in range(0, 1000, 100):
        await connection.execute("insert into written select generate_series($1::int, $1 + 99)", n)
    connection.terminate()
