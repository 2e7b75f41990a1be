"""The command line as a whole: help, exit codes, and how it ends when it is interrupted."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command_line import CommandLine, Rows, cli, rows

__all__ = ["cli", "rows"]

RELAY = [sys.executable, "-m", "relay"]


def relay(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*RELAY, *arguments],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_lists_every_command_and_imports_none() -> None:
    script = (
        "import sys, relay.__main__ as entry\n"
        "entry.relay(['--help'], standalone_mode=False)\n"
        "heavy = {'asyncpg', 'pydantic', 'aiohttp', 'rich', 'relay.cli.common'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    for command in ("run", "migrate", "config", "endpoint", "event", "delivery", "pause", "resume", "health"):
        assert f"\n  {command} " in done.stdout


def test_version_is_printed() -> None:
    assert relay("--version").stdout.startswith("relay, version ")


def test_an_unknown_command_is_wrong_usage() -> None:
    done = relay("nonsense")
    assert (done.returncode, done.stdout) == (2, "")
    assert "No such command 'nonsense'" in done.stderr


def test_shell_completion_knows_the_commands() -> None:
    done = relay(_RELAY_COMPLETE="bash_complete", COMP_WORDS="relay endp", COMP_CWORD="1")
    assert done.stdout == "plain,endpoint\n"


@pytest.mark.parametrize("command", [("run",), ("migrate", "status"), ("endpoint", "list"), ("doctor",)])
def test_no_command_goes_over_a_network_in_the_clear_whoever_sends_it_there(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    services = tmp_path / "services"
    services.write_text("[far]\nhost=db.example\nsslmode=require\n", encoding="utf-8")
    environment = {"PGSERVICEFILE": str(services), "PGSSLMODE": "verify-full", "HOME": str(tmp_path)}

    done = relay(*command, RELAY_DATABASE__DSN="postgresql:///app?service=far", **environment)

    assert done.returncode == 78
    assert "leads over a network to db.example without verified TLS" in done.stderr


def test_an_unreachable_database_ends_with_69() -> None:
    done = relay("endpoint", "list", "--dsn", "postgresql://127.0.0.1:1/nothing")
    assert (done.returncode, done.stdout) == (69, "")
    assert "the database cannot be reached" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("dsn", "message"),
    [
        ("mysql://host/db", "must begin with postgresql://"),
        ("postgresql://host:port/db", "host:port"),
    ],
)
def test_a_dsn_that_is_none_ends_with_78(dsn: str, message: str) -> None:
    done = relay("endpoint", "list", "--dsn", dsn)
    assert (done.returncode, done.stdout) == (78, "")
    assert message in done.stderr


def test_a_missing_configuration_file_ends_with_78(tmp_path: Path) -> None:
    done = relay("event", "show", "6f0c5a7e-0000-4000-8000-000000000000", "--config", str(tmp_path / "none"))
    assert done.returncode == 78
    assert "cannot be read" in done.stderr


def test_a_database_that_does_not_exist_ends_with_69(database: str) -> None:
    done = relay("endpoint", "list", "--dsn", database.replace("/test_", "/no_test_"))
    assert done.returncode == 69
    assert "does not exist" in done.stderr


def test_pending_migrations_end_with_3_and_say_what_to_do(empty_database: str) -> None:
    done = relay("endpoint", "list", "--dsn", empty_database)
    assert (done.returncode, done.stdout) == (3, "")
    assert "relay migrate up" in done.stderr


def test_data_goes_to_stdout_and_messages_to_stderr(cli: CommandLine) -> None:
    ran = cli.run("event", "publish", "nobody.listens", "{}", "-o", "json")
    assert ran.data["endpoints"] == 0
    assert "Nobody will get it" in ran.err


def test_a_table_into_a_pipe_has_whole_ids_and_no_colour(cli: CommandLine, rows: Rows) -> None:
    endpoint_id = rows.endpoint(url="http://127.0.0.1:9000/" + "x" * 300)
    rows.delivery(endpoint_id)
    out = cli.run("delivery", "list", "-o", "table").out
    assert str(endpoint_id) in out
    assert "\x1b" not in out
    assert "x" * 300 in cli.run("endpoint", "list", "-o", "table").out


def test_ctrl_c_ends_tail_quietly_with_130(database: str) -> None:
    rows = Rows(database)
    endpoint_id = rows.endpoint()
    rows.attempt(endpoint_id, rows.event())
    with subprocess.Popen(
        [*RELAY, "delivery", "tail", "--dsn", database],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as tail:
        assert tail.stdout is not None
        assert tail.stderr is not None
        assert str(endpoint_id) in tail.stdout.readline()
        tail.send_signal(signal.SIGINT)
        assert tail.stderr.read() == ""
        assert tail.wait(30) == 130


def test_a_closed_pipe_ends_the_command_quietly(database: str) -> None:
    rows = Rows(database)
    endpoint_id = rows.endpoint()
    for number in range(3):
        rows.attempt(endpoint_id, rows.event(), claim=number)
    with subprocess.Popen(
        [*RELAY, "delivery", "tail", "--dsn", database],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as tail:
        assert tail.stdout is not None
        assert tail.stderr is not None
        tail.stdout.readline()
        tail.stdout.close()
        rows.attempt(endpoint_id, rows.event(), claim=9)
        assert tail.wait(30) == 141
        assert tail.stderr.read() == ""
