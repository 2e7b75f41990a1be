import os
import signal
import subprocess
from pathlib import Path

import asyncpg
import pytest

from relay.embedded import AlreadyRunning, EmbeddedError, EmbeddedPostgres, WrongMajorVersion, running_dsn
from relay.embedded.binaries import find_tool
from tests.support.embedded import (
    ask,
    bindir_parameters,
    data_dir,
    fetch,
    home,
    is_gone,
    made,
    owner,
    server_on,
)

__all__ = ["data_dir", "home", "made"]

FACTS = """
    select format('%s %s %s %s %s %s', current_database(), current_user, pg_encoding_to_char(encoding),
      datctype, current_setting('fsync'), current_setting('listen_addresses'))
    from pg_database where datname = current_database()
"""


@pytest.mark.parametrize("bindir", bindir_parameters())
def test_every_installed_version_starts_durable_and_local_answers_and_stops(bindir: Path, home: Path) -> None:
    server = EmbeddedPostgres(home / "data", bindir=bindir)

    dsn = server.start()
    facts = ask(dsn, FACTS)
    psql = subprocess.run(
        [find_tool("psql", bindir), "-XAtd", dsn, "-c", "select 42"], capture_output=True, check=True
    )
    pid, socket_dir = server.pid, Path(dsn.partition("host=")[2].partition("&")[0])
    server.stop()
    server.stop()

    assert facts == "relay postgres UTF8 C on "
    assert psql.stdout == b"42\n"
    assert is_gone(pid)
    assert not socket_dir.exists()


def test_a_later_start_keeps_the_data_and_makes_nothing_anew(data_dir: Path) -> None:
    with server_on(data_dir) as first:
        ask(first.dsn, "create table kept as select 7 as value")
    before = (data_dir / "PG_VERSION").stat()

    with server_on(data_dir) as second:
        value = ask(second.dsn, "select value from kept")

    assert value == 7
    assert (data_dir / "PG_VERSION").stat().st_ino == before.st_ino


def test_a_dropped_database_is_created_again(data_dir: Path) -> None:
    with server_on(data_dir) as server:
        ask(server.dsn.replace("@/relay?", "@/postgres?"), "drop database relay")

    with server_on(data_dir) as server:
        assert ask(server.dsn, "select current_database()") == "relay"


def test_options_override_settings(data_dir: Path) -> None:
    with server_on(data_dir, max_connections="17") as server:
        assert ask(server.dsn, "show max_connections") == "17"


@pytest.fixture
def foreign_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "6543")
    monkeypatch.setenv("PGHOST", "/nowhere")
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("PGOPTIONS", "-c nonsense=1")
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere")
    monkeypatch.setenv("LC_ALL", "tlh_QO.UTF-8")


@pytest.mark.usefixtures("foreign_environment")
def test_the_environment_of_its_owner_does_not_change_the_server(data_dir: Path) -> None:
    with server_on(data_dir) as server:
        environment = Path(f"/proc/{server.pid}/environ").read_bytes()

    assert b"nowhere" not in environment
    assert b"tlh_QO" not in environment


def test_a_start_that_fails_says_what_the_server_said_and_leaves_nothing_locked(data_dir: Path) -> None:
    with (
        pytest.raises(EmbeddedError, match="invalid value for parameter"),
        server_on(data_dir, shared_buffers="nonsense"),
    ):
        pass

    with server_on(data_dir):
        assert running_dsn(data_dir) is not None


def test_running_dsn_is_that_of_the_running_server_only(data_dir: Path) -> None:
    before = running_dsn(data_dir)
    with server_on(data_dir) as server:
        during, dsn = running_dsn(data_dir), server.dsn
    after = running_dsn(data_dir)

    assert (before, during, after) == (None, dsn, None)


def test_a_second_owner_is_told_of_the_first(data_dir: Path) -> None:
    with server_on(data_dir) as first:
        with pytest.raises(AlreadyRunning) as refused, server_on(data_dir):
            pass

        assert refused.value.dsn == first.dsn
        assert refused.value.owner_pid == os.getpid()
        assert running_dsn(data_dir) == first.dsn


def test_of_two_owners_that_race_on_a_new_directory_one_wins_and_the_other_learns_where(home: Path) -> None:
    with owner(home / "data") as one, owner(home / "data") as other:
        answers = {one.process.pid: one.answer(), other.process.pid: other.answer()}

    winner = next(pid for pid, answer in answers.items() if "pid" in answer)
    loser = next(answer for answer in answers.values() if "error" in answer)
    assert loser["error"] == "AlreadyRunning"
    assert loser["dsn"] == answers[winner]["dsn"]
    assert loser["owner_pid"] == winner


def test_another_major_version_is_refused_with_the_way_to_move(data_dir: Path) -> None:
    (data_dir / "PG_VERSION").write_text("14\n", encoding="utf-8")

    with pytest.raises(WrongMajorVersion, match=r"PostgreSQL 14.* dump .* reset.* psql"), server_on(data_dir):
        pass


def test_a_folder_with_something_else_in_it_is_refused_and_left_alone(home: Path) -> None:
    note = home / "data" / "note"
    note.parent.mkdir()
    note.write_text("mine", encoding="utf-8")

    with pytest.raises(EmbeddedError, match="not empty"), server_on(home / "data"):
        pass

    assert note.read_text(encoding="utf-8") == "mine"


def test_an_empty_folder_and_a_symbolic_link_to_one_can_be_the_data_directory(home: Path) -> None:
    (home / "real").mkdir()
    (home / "link").symlink_to(home / "real")

    with server_on(home / "link") as server:
        assert ask(server.dsn, "select 1") == 1

    assert (home / "real" / "PG_VERSION").is_file()


async def test_an_interrupt_of_the_terminal_leaves_the_server_to_its_owner(data_dir: Path) -> None:
    with owner(data_dir, ignores_interrupt=True) as holder:
        dsn = holder.answer()["dsn"]
        connection = await asyncpg.connect(dsn)

        os.killpg(holder.process.pid, signal.SIGINT)

        assert await connection.fetchval("select 1") == 1
        assert await fetch(dsn, "select 2") == 2  # a server that shuts down refuses new connections
        await connection.close()
