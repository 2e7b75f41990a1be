import os
import subprocess
import sys
from pathlib import Path

from relay.embedded.ownership import owner_file
from tests.support.embedded import CHECKOUT, data_dir, home, made, server_on

__all__ = ["data_dir", "home", "made"]

PROGRAM = "from relay.cli.embedded import embedded; embedded()"


def relay_embedded(data_dir: Path, *arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        input=said,
        capture_output=True,
        text=True,
        check=False,
        cwd=CHECKOUT,
        timeout=60,
        env={**os.environ, "RELAY_EMBEDDED__DATA_DIR": str(data_dir)},
    )


def test_dsn_prints_where_the_server_is(data_dir: Path) -> None:
    with server_on(data_dir) as server:
        done = relay_embedded(data_dir, "dsn")

        assert (done.returncode, done.stdout) == (0, f"{server.dsn}\n")


def test_dsn_without_a_server_fails_with_a_hint(data_dir: Path) -> None:
    done = relay_embedded(data_dir, "dsn")

    assert (done.returncode, done.stdout) == (1, "")
    assert "relay run --embedded" in done.stderr


def test_psql_uses_the_running_server(data_dir: Path) -> None:
    with server_on(data_dir) as server:
        done = relay_embedded(data_dir, "psql", "-XAtc", "select pg_backend_pid() > 0, current_database()")

        assert (done.returncode, done.stdout, done.stderr) == (0, "t|relay\n", "")
        assert server.process.poll() is None


def test_psql_starts_a_server_for_as_long_as_it_runs_and_passes_its_status_on(data_dir: Path) -> None:
    done = relay_embedded(data_dir, "psql", "-XAt", "-v", "ON_ERROR_STOP=1", said="select 6 * 7; select 1/0;")

    assert (done.returncode, done.stdout) == (3, "42\n")
    assert not (data_dir / "postmaster.pid").exists()


def test_a_dump_can_be_read_back(data_dir: Path, home: Path) -> None:
    target = home / "relay.sql"
    relay_embedded(data_dir, "psql", "-c", "create table kept as select 7 as value")

    printed = relay_embedded(data_dir, "dump")
    written = relay_embedded(data_dir, "dump", "--file", str(target))
    deleted = relay_embedded(data_dir, "reset", "--yes")
    restored = relay_embedded(data_dir, "psql", "-X", "-v", "ON_ERROR_STOP=1", "--file", str(target))
    value = relay_embedded(data_dir, "psql", "-XAtc", "select value from kept")

    assert [done.returncode for done in (printed, written, deleted, restored, value)] == [0] * 5
    assert "CREATE TABLE public.kept" in printed.stdout
    assert value.stdout == "7\n"


def test_a_dump_of_nothing_fails_and_makes_nothing(home: Path) -> None:
    done = relay_embedded(home / "data", "dump")

    assert done.returncode == 1
    assert "nothing to dump" in done.stderr
    assert not any(home.iterdir())


def test_reset_deletes_everything_only_after_a_yes(data_dir: Path, home: Path) -> None:
    with server_on(data_dir):
        pass

    unasked = relay_embedded(data_dir, "reset")
    kept = (data_dir / "PG_VERSION").exists()
    done = relay_embedded(data_dir, "reset", "--yes")

    assert (unasked.returncode, kept, done.returncode) == (2, True, 0)
    assert "--yes" in unasked.stderr
    assert not any(home.iterdir())


def test_reset_refuses_while_a_server_runs(data_dir: Path) -> None:
    with server_on(data_dir) as server:
        done = relay_embedded(data_dir, "reset", "--yes")

        assert done.returncode == 1
        assert f"process {os.getpid()} already runs" in done.stderr
        assert server.process.poll() is None
        assert owner_file(data_dir).exists()


def test_reset_deletes_nothing_that_is_not_a_data_directory(home: Path) -> None:
    (home / "note").write_text("mine", encoding="utf-8")

    done = relay_embedded(home, "reset", "--yes")

    assert done.returncode == 1
    assert "nothing was deleted" in done.stderr
    assert (home / "note").exists()


def test_missing_binaries_are_named_with_a_cure(data_dir: Path, home: Path) -> None:
    done = relay_embedded(data_dir, "--bindir", str(home), "dump")

    assert done.returncode == 1
    assert "must be the folder that holds `postgres`" in done.stderr
