"""`relay migrate`, as a person and a deployment script meet it."""

import json

import pytest
from click.testing import CliRunner, Result

from relay.__main__ import relay
from relay.store.migrations import shipped_migrations, sql_text
from tests.support.psql import psql


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RELAY_CONFIG", "RELAY_DATABASE__DSN", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)


def migrate(*arguments: str) -> Result:
    return CliRunner().invoke(relay, ["migrate", *arguments])


def test_a_database_goes_from_pending_to_done(empty_database: str) -> None:
    dsn = ("--dsn", empty_database)
    pending = migrate("check", *dsn)
    assert (pending.exit_code, json.loads(pending.stdout)["kind"]) == (3, "pending")
    assert "run `relay migrate up`" in pending.stderr
    up = migrate("up", *dsn)
    assert (up.exit_code, up.stdout) == (0, "")
    assert "applied 0001_initial" in up.stderr
    assert "nothing to do" in migrate("up", *dsn).stderr
    done = migrate("check", *dsn)
    assert (done.exit_code, json.loads(done.stdout)["kind"]) == (0, "ok")


def test_the_status_lists_every_migration_with_its_state(empty_database: str) -> None:
    dsn = ("--dsn", empty_database)
    before = migrate("status", *dsn)
    assert before.exit_code == 3
    assert [each["state"] for each in json.loads(before.stdout)] == ["pending"] * len(shipped_migrations())
    migrate("up", *dsn)
    after = migrate("status", *dsn, "-o", "table")
    assert after.exit_code == 0
    assert "initial" in after.stdout
    assert "applied" in after.stdout


def test_the_printed_sql_needs_no_database_and_does_the_same(empty_database: str) -> None:
    printed = migrate("sql")
    assert (printed.exit_code, printed.stdout) == (0, sql_text())
    assert psql(empty_database, printed.stdout).returncode == 0
    assert migrate("check", "--dsn", empty_database).exit_code == 0
    assert "Nothing to do" in migrate("sql", "--after", "9999").stdout


def test_a_database_that_does_not_fit_is_a_failure(database: str) -> None:
    psql(database, "update relay.schema_migration set checksum = 'other'")
    for command in ("check", "status", "up"):
        result = migrate(command, "--dsn", database)
        assert result.exit_code == 1
        assert "another text" in result.stderr


def test_a_database_that_is_not_there_is_code_69() -> None:
    result = migrate("up", "--dsn", "postgresql://postgres@/relay?host=/nonexistent")
    assert result.exit_code == 69
    assert "cannot be reached" in result.stderr


def test_no_database_configured_is_code_78() -> None:
    result = migrate("up")
    assert result.exit_code == 78
    assert "database.dsn is not set" in result.stderr
