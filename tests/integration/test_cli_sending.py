"""`relay pause` and `relay resume`."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.command_line import CommandLine, Rows, cli, rows

__all__ = ["cli", "rows"]


def test_pause_and_resume_everything_or_a_tenant(cli: CommandLine, rows: Rows) -> None:
    everything = cli.run("pause")
    assert [(each["tenant"], list(each)) for each in everything.data] == [
        (None, ["tenant", "paused_at", "paused_by"])
    ]
    assert "sending is paused" in everything.err
    assert [each["tenant"] for each in cli.done("pause", "--tenant", "acme")] == [None, "acme"]
    assert "was paused already" in cli.run("pause").err
    assert [each["tenant"] for each in cli.done("resume")] == ["acme"]
    assert "was not paused by that name" in cli.run("resume").err
    assert cli.done("resume", "--tenant", "acme") == []
    assert rows.audit() == [
        ("sending.pause", "everything"),
        ("sending.pause", "tenant 'acme'"),
        ("sending.resume", "everything"),
        ("sending.resume", "tenant 'acme'"),
    ]


def test_what_waits_is_held_while_sending_is_paused(cli: CommandLine, rows: Rows) -> None:
    rows.delivery(rows.endpoint(), state="retrying")
    cli.done("pause")
    listed = cli.done("delivery", "list")[0]
    assert (listed["state"], listed["reason"]) == ("held", "sending_paused")


def test_resume_of_a_tenant_opens_new_windows_for_it_alone(cli: CommandLine, rows: Rows) -> None:
    later = datetime.now(UTC) + timedelta(hours=12)
    mine = rows.delivery(rows.endpoint(tenant="acme"), state="retrying", next_attempt_at=later)
    other = rows.delivery(rows.endpoint(), state="retrying", next_attempt_at=later)
    cli.done("pause", "--tenant", "acme")
    cli.done("resume", "--tenant", "acme")
    assert (rows.of(mine)["window_attempt"], rows.of(mine)["window_started_at"]) == (0, None)
    assert rows.of(mine)["next_attempt_at"] < later
    assert rows.of(other)["next_attempt_at"] == later


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_a_tenant_that_cannot_be_is_wrong_usage(cli: CommandLine, verb: str) -> None:
    ran = cli.run(verb, "--tenant", "x" * 256)
    assert (ran.code, ran.out) == (2, "")
    assert "at most 255" in ran.err
