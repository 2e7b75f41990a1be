"""`relay delivery retry` and `discard`: what they do to each state, one by one and in bulk."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from tests.support.command_line import CommandLine, Rows, cli, nobody, rows

__all__ = ["cli", "rows"]

LATER = datetime.now(UTC) + timedelta(hours=1)


def result(cli: CommandLine, verb: str, name: str) -> tuple[str, int]:
    """Run a change of one delivery and return its result and the exit code."""
    ran = cli.run("delivery", verb, name)
    assert [each["delivery"] for each in ran.data] == [name]
    return ran.data[0]["result"], ran.code


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ({"state": "dead", "reason": "exhausted", "attempt": 13}, "retrying"),
        ({"state": "dead", "reason": "quarantined", "claim": 4, "recorded": 1, "attempt": 0}, "pending"),
        ({"state": "retrying", "attempt": 3, "next_attempt_at": LATER}, "retrying"),
        ({"state": "held", "reason": "secret_missing", "attempt": 0, "next_attempt_at": None}, "pending"),
        ({"state": "pending", "attempt": 0, "next_attempt_at": LATER}, "pending"),
        # Its lease is over: the process that had claimed it is gone.
        (
            {"state": "retrying", "claimed_by": 1, "next_attempt_at": datetime(2020, 1, 1, tzinfo=UTC)},
            "retrying",
        ),
    ],
)
def test_retry_opens_a_new_window_at_once(
    cli: CommandLine, rows: Rows, values: dict[str, Any], state: str
) -> None:
    name = rows.delivery(rows.endpoint(), **values)
    before = rows.of(name)
    assert result(cli, "retry", name) == ("scheduled", 0)
    after = rows.of(name)
    assert (after["state"], after["reason"], after["ended_at"]) == (state, None, None)
    assert (after["window_started_at"], after["window_attempt"]) == (None, 0)
    assert after["attempt"] == before["attempt"]
    assert after["trigger_type"] == "manual"
    assert after["claimed_by"] is None
    assert after["claim"] == after["recorded"] >= before["claim"]
    assert datetime.now(UTC) - after["next_attempt_at"] < timedelta(minutes=1)
    assert rows.audit() == [("delivery.retry", name)]


def test_retry_says_that_a_paused_endpoint_holds_it(cli: CommandLine, rows: Rows) -> None:
    endpoint_id = rows.endpoint()
    name = rows.delivery(endpoint_id, state="dead", reason="exhausted", attempt=13, next_attempt_at=None)
    cli.done("endpoint", "pause", str(endpoint_id))
    assert result(cli, "retry", name) == ("held", 0)
    assert rows.of(name)["state"] == "retrying"


def test_retry_fences_off_the_process_whose_lease_is_over(cli: CommandLine, rows: Rows) -> None:
    past = datetime(2020, 1, 1, tzinfo=UTC)
    name = rows.delivery(rows.endpoint(), state="retrying", claimed_by=1, claim=3, next_attempt_at=past)
    cli.done("delivery", "retry", name)
    assert rows.of(name)["claim"] == 4


def test_retry_of_a_delivered_one_sends_it_once_more(cli: CommandLine, rows: Rows) -> None:
    event, endpoint_id = rows.event(), rows.endpoint()
    rows.attempt(endpoint_id, event, claim=1, attempt=1, outcome="retrying", ended=False, status_code=500)
    rows.attempt(endpoint_id, event, claim=3, attempt=2)
    name = f"{event['id']}/{endpoint_id}"
    assert result(cli, "retry", name) == ("scheduled", 0)
    row = rows.of(name)
    assert (row["delivered_before"], row["trigger_type"], row["attempt"]) == (True, "manual", 2)
    assert (row["claim"], row["recorded"], row["claimed_by"]) == (3, 3, None)
    assert row["size"] == len('{"id": 42}')
    assert row["next_attempt_at"] <= datetime.now(UTC) + timedelta(seconds=5)
    assert cli.done("delivery", "show", name)["state"] == "delivered"


def test_retry_leaves_what_is_in_flight_or_held_by_somebody(cli: CommandLine, rows: Rows) -> None:
    endpoint_id = rows.endpoint()
    in_flight = rows.delivery(endpoint_id, state="pending", claimed_by=1, next_attempt_at=LATER)
    before = dict(rows.of(in_flight))
    assert result(cli, "retry", in_flight) == ("in_flight", 1)
    assert result(cli, "discard", in_flight) == ("in_flight", 1)
    assert dict(rows.of(in_flight)) == before
    assert rows.audit() == []


async def test_a_locked_delivery_is_not_waited_for(database: str) -> None:
    def prepare() -> str:
        rows = Rows(database)
        return rows.delivery(rows.endpoint())

    name = await asyncio.to_thread(prepare)
    connection = await asyncpg.connect(database)
    try:
        async with connection.transaction():
            await connection.execute("select from relay.delivery for update")
            ran = await asyncio.to_thread(CommandLine(database).run, "delivery", "retry", name)
    finally:
        await connection.close()
    assert ran.data[0]["result"] == "in_flight"


@pytest.mark.parametrize("verb", ["retry", "discard"])
def test_an_unknown_delivery_is_not_found(cli: CommandLine, rows: Rows, verb: str) -> None:
    known_event = rows.event()["id"]
    for name in (f"{nobody()}/{nobody()}", f"{known_event}/{rows.endpoint()}"):
        assert result(cli, verb, name) == ("not_found", 1)
    assert "there is no such delivery" in cli.run("delivery", verb, f"{nobody()}/{nobody()}").err


def test_retry_refuses_what_can_never_be_sent(cli: CommandLine, rows: Rows) -> None:
    removed = rows.delivery(rows.endpoint(removed_at=datetime.now(UTC)), reason="endpoint_removed")
    expired = rows.delivery(rows.endpoint(), event=rows.event(expires_at=datetime(2020, 1, 1, tzinfo=UTC)))
    event = rows.event()
    rows.insert("cancellation", event_id=event["id"])
    cancelled = rows.delivery(rows.endpoint(), event=event, state="cancelled", reason=None)
    assert result(cli, "retry", removed) == ("endpoint_removed", 1)
    assert result(cli, "retry", expired) == ("expired", 1)
    assert result(cli, "retry", cancelled) == ("cancelled", 1)
    assert "its endpoint was removed" in cli.run("delivery", "retry", removed).err
    assert [rows.of(each)["state"] for each in (removed, expired, cancelled)] == ["dead", "dead", "cancelled"]
    assert rows.audit() == []


def test_retry_tells_the_relay_to_look_at_the_endpoint(cli: CommandLine, rows: Rows) -> None:
    endpoint_id, other = rows.endpoint(), rows.endpoint()
    name = rows.delivery(endpoint_id)
    revisions = "select id, revision from relay.endpoint"
    before = {row["id"]: row["revision"] for row in rows.fetch(revisions)}
    cli.done("delivery", "retry", name)
    after = {row["id"]: row["revision"] for row in rows.fetch(revisions)}
    assert after[endpoint_id] > max(before.values())
    assert after[other] == before[other]


def test_several_are_changed_and_each_result_is_told(cli: CommandLine, rows: Rows) -> None:
    dead, unknown = rows.delivery(rows.endpoint()), f"{nobody()}/{nobody()}"
    ran = cli.run("delivery", "retry", dead, unknown, dead)
    assert ran.code == 1
    assert [(each["delivery"], each["result"]) for each in ran.data] == [
        (dead, "scheduled"),
        (unknown, "not_found"),
    ]


@pytest.mark.parametrize("state", ["pending", "retrying", "held", "dead"])
def test_discard_ends_it_behind_a_fence(cli: CommandLine, rows: Rows, state: str) -> None:
    name = rows.delivery(rows.endpoint(), state=state, claim=2)
    assert result(cli, "discard", name) == ("discarded", 0)
    row = rows.of(name)
    assert (row["state"], row["reason"], row["next_attempt_at"]) == ("dead", "discarded", None)
    assert (row["claim"], row["claimed_by"]) == (3, None)
    assert row["ended_at"] is not None
    assert rows.audit() == [("delivery.discard", name)]
    assert result(cli, "retry", name) == ("scheduled", 0)


def test_discard_of_a_delivered_or_withdrawn_one_changes_nothing(cli: CommandLine, rows: Rows) -> None:
    event, endpoint_id = rows.event(), rows.endpoint()
    rows.attempt(endpoint_id, event)
    assert result(cli, "discard", f"{event['id']}/{endpoint_id}") == ("delivered", 1)
    withdrawn = rows.event()
    rows.insert("cancellation", event_id=withdrawn["id"])
    assert result(cli, "discard", rows.delivery(endpoint_id, event=withdrawn)) == ("cancelled", 1)


def test_discard_of_a_repeated_delivery_leaves_it_delivered(cli: CommandLine, rows: Rows) -> None:
    event, endpoint_id = rows.event(), rows.endpoint()
    rows.attempt(endpoint_id, event)
    name = f"{event['id']}/{endpoint_id}"
    cli.done("delivery", "retry", name)
    assert result(cli, "discard", name) == ("discarded", 0)
    assert rows.fetch("select from relay.delivery") == []
    assert cli.done("delivery", "show", name)["state"] == "delivered"


def test_all_that_match_are_retried_in_batches(cli: CommandLine, rows: Rows) -> None:
    endpoint_id = rows.endpoint()
    fill_dead(rows, endpoint_id, 2100)
    other = rows.delivery(rows.endpoint())
    removed = rows.delivery(endpoint_id, reason="gone")
    rows.fetch("update relay.outbox set expires_at = now() where id = $1", UUID(removed.split("/")[0]))
    ran = cli.run("delivery", "retry", "--state", "dead", "--endpoint", endpoint_id, "--yes")
    assert ran.data["results"] == {"expired": 1, "scheduled": 2100}
    assert (ran.data["matched"], ran.data["state"]) == (2101, "done")
    assert "does it itself" in ran.err
    assert "2101 deliveries match" in ran.err
    assert rows.of(other)["state"] == "dead"
    changed = rows.fetch(
        "select state, count(*) from relay.delivery where endpoint_id = $1 group by 1", endpoint_id
    )
    assert {row["state"]: row["count"] for row in changed} == {"retrying": 2100, "dead": 1}
    audit = rows.fetch("select action, detail from relay.audit order by id")
    assert [row["action"] for row in audit] == ["operation.start", "operation.done"]
    assert str(endpoint_id) in audit[0]["detail"]


def test_filters_narrow_what_is_changed(cli: CommandLine, rows: Rows) -> None:
    endpoint_id = rows.endpoint()
    gone = rows.delivery(endpoint_id, reason="gone", last_status_code=410)
    late = rows.delivery(endpoint_id, event=rows.event(event_type="order.late", tenant="acme"))
    rows.delivery(endpoint_id, event=rows.event(created_at=datetime(2020, 1, 1, tzinfo=UTC)))
    select = ["delivery", "discard", "--state", "dead", "--dry-run"]
    assert cli.done(*select)["matched"] == 3
    assert cli.done(*select, "--reason", "gone")["matched"] == 1
    assert cli.done(*select, "--status-code", "410")["matched"] == 1
    assert cli.done(*select, "--type", "order.*", "--tenant", "acme")["matched"] == 1
    assert cli.done(*select, "--since", "1h")["matched"] == 2
    assert cli.done(*select, "--until", "2021-01-01")["matched"] == 1
    assert cli.done(*select[:-1], "--yes", "--type", "order.late")["results"] == {"discarded": 1}
    assert (rows.of(late)["reason"], rows.of(gone)["reason"]) == ("discarded", "gone")


def test_held_is_what_list_calls_held(cli: CommandLine, rows: Rows) -> None:
    rows.delivery(rows.endpoint(state="paused"), state="retrying")
    rows.delivery(rows.endpoint(), state="held", reason="secret_missing")
    rows.delivery(rows.endpoint(), state="retrying")
    listed = cli.done("delivery", "list", "--state", "held")
    assert len(listed) == 2
    assert cli.done("delivery", "discard", "--state", "held", "--yes")["results"] == {"discarded": 2}


def test_a_bulk_change_asks_first_and_a_dry_run_only_counts(cli: CommandLine, rows: Rows) -> None:
    name = rows.delivery(rows.endpoint())
    assert cli.done("delivery", "retry", "--state", "dead", "--dry-run") == {"matched": 1, "results": {}}
    ran = cli.run("delivery", "retry", "--state", "dead")
    assert ran.code == 2
    assert "Send 1 deliveries again? Nobody is there to answer" in ran.err
    assert rows.of(name)["state"] == "dead"


def test_a_bulk_change_of_nothing_is_done(cli: CommandLine) -> None:
    assert cli.done("delivery", "discard", "--state", "held") == {"matched": 0, "results": {}}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name deliveries, or select them"),
        (["--type", "a"], "add --state"),
        (["x"], "is no delivery"),
        (["--state", "delivered"], "'delivered' is not one of"),
        (["6f0c5a7e-0000-4000-8000-000000000000/" * 2, "--state", "dead"], "is no delivery"),
    ],
)
@pytest.mark.parametrize("verb", ["retry", "discard"])
def test_a_selection_that_is_none_is_wrong_usage(
    cli: CommandLine, verb: str, arguments: list[str], message: str
) -> None:
    ran = cli.run("delivery", verb, *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err


def test_names_and_filters_together_are_wrong_usage(cli: CommandLine) -> None:
    ran = cli.run("delivery", "retry", f"{nobody()}/{nobody()}", "--state", "dead")
    assert ran.code == 2


def fill_dead(rows: Rows, endpoint_id: UUID, number: int) -> None:
    rows.fetch(
        "insert into relay.outbox (event_type, payload) select 'a', '1' from generate_series(1, $1)", number
    )
    rows.fetch(
        "insert into relay.delivery (event_seq, endpoint_id, size, state, reason, attempt, ended_at) "
        "select seq, $1, 1, 'dead', 'exhausted', 13, now() from relay.outbox where event_type = 'a'",
        endpoint_id,
    )
