"""`relay event`: publish, look up, withdraw."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from tests.support.command_line import CommandLine, Rows, cli, nobody, rows

__all__ = ["cli", "rows"]

EVENT_FIELDS = [
    *("id", "event_type", "payload", "content_type", "tenant", "ordering_key", "sequence", "endpoint_id"),
    *("headers", "deliver_at", "expires_at", "dedupe_key", "traceparent", "created_at", "cancelled_at"),
    *("expunged_at", "deliveries"),
]
STATUS_FIELDS = [
    *("delivery", "event_id", "endpoint_id", "event_type", "tenant", "state", "reason", "attempts"),
    *("last_status_code", "last_error", "next_attempt_at", "created_at", "ended_at", "explanation"),
]


def test_publish_prints_the_id_alone(cli: CommandLine, rows: Rows) -> None:
    rows.endpoint()
    ran = cli.run("event", "publish", "invoice.paid", '{"id": 42}')
    event_id = UUID(ran.out.strip())
    assert ran.err == ""
    stored = rows.fetch("select event_type, payload from relay.outbox where id = $1", event_id)
    assert [tuple(row) for row in stored] == [("invoice.paid", '{"id": 42}')]
    assert rows.audit() == [("event.publish", str(event_id))]


def test_publish_stores_every_option(cli: CommandLine, rows: Rows) -> None:
    endpoint_id, event_id = rows.endpoint(tenant="acme"), uuid4()
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    ran = cli.run(
        *("event", "publish", "a.b", "[1]", "--id", event_id, "--tenant", "acme", "--ordering-key", "k"),
        *("--sequence", "7", "--endpoint-id", endpoint_id, "--header", "X-Region: eu", "--deliver-at", "10m"),
        *("--expires-at", "2100-01-01T00:00:00Z", "--dedupe-key", "d", "--traceparent", trace, "-o", "json"),
    )
    assert ran.data == {"event_id": str(event_id), "is_new": True, "endpoints": 1}
    row = rows.fetch("select * from relay.outbox")[0]
    assert (row["id"], row["tenant"], row["ordering_key"], row["sequence"]) == (event_id, "acme", "k", 7)
    assert (row["endpoint_id"], row["dedupe_key"], row["traceparent"]) == (endpoint_id, "d", trace)
    assert json.loads(row["headers"]) == {"X-Region": "eu"}
    assert timedelta(minutes=9) < row["deliver_at"] - datetime.now(UTC) < timedelta(minutes=11)
    assert row["expires_at"] == datetime(2100, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("arguments", [[], ["-"]])
def test_publish_reads_the_payload_from_stdin_byte_for_byte(
    cli: CommandLine, rows: Rows, arguments: list[str]
) -> None:
    payload = '{ "name":  "Zoë",\n "n": 1e400 }'
    assert cli.run("event", "publish", "a", *arguments, stdin=payload).code == 0
    assert rows.fetch("select payload from relay.outbox")[0]["payload"] == payload


def test_publish_warns_when_nobody_subscribes(cli: CommandLine, rows: Rows) -> None:
    rows.endpoint(event_types=["invoice.*"])
    assert cli.run("event", "publish", "invoice.paid", "1").err == ""
    assert "no endpoint of tenant '' subscribes to invoice" in cli.run("event", "publish", "invoice", "1").err
    assert "Nobody" in cli.run("event", "publish", "invoice.paid", "1", "--tenant", "x").err
    assert "has no endpoint" in cli.run("event", "publish", "a", "1", "--endpoint-id", nobody()).err


def test_publish_stores_a_dedupe_key_once(cli: CommandLine, rows: Rows) -> None:
    first = cli.run("event", "publish", "a", "1", "--dedupe-key", "d")
    second = cli.run("event", "publish", "a", "2", "--dedupe-key", "d")
    assert first.out == second.out
    assert "Nothing was stored" in second.err
    assert len(rows.fetch("select from relay.outbox")) == 1
    assert len(rows.audit()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bad type", "1"], "is not a dotted name"),
        (["a", "{"], "invalid input syntax for type json"),
        (["a", "1", "--sequence", "99999999999999999999"], "64 bits"),
        (["a", "1", "--id", "x"], "not a valid UUID"),
        (["a", "1", "--deliver-at", "later"], "is no time"),
        (["a", "1", "--deliver-at", "2d", "--expires-at", "1d"], "could never be sent"),
        (["a", "1", "--traceparent", "x"], "not a W3C trace context"),
        (["a", "1", "--header", "Host: x"], "header Host cannot be set"),
        (["a", "1", "--tenant", "x" * 300], "at most 255"),
        (["a", '"' + "x" * 300_000 + '"'], "over the limit"),
    ],
)
def test_publish_refuses_what_cannot_be(
    cli: CommandLine, rows: Rows, arguments: list[str], message: str
) -> None:
    ran = cli.run("event", "publish", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert rows.fetch("select from relay.outbox") == []


def test_publish_refuses_an_id_that_is_taken(cli: CommandLine, rows: Rows) -> None:
    ran = cli.run("event", "publish", "a", "1", "--id", rows.event()["id"])
    assert ran.code == 2
    assert "outbox_id_key" in ran.err or "exists already" in ran.err


def test_publish_refuses_bytes_that_are_no_text(cli: CommandLine) -> None:
    ran = cli.run("event", "publish", "a", stdin=b"\xff\xfe")
    assert ran.code == 2
    assert "not UTF-8" in ran.err


def test_show_has_the_event_and_each_delivery_with_a_reason(cli: CommandLine, rows: Rows) -> None:
    event = rows.event(headers='{"X-A": "b"}')
    dead, paused, done = rows.endpoint(), rows.endpoint(state="paused"), rows.endpoint()
    rows.delivery(dead, event=event)
    rows.delivery(paused, event=event, state="pending", attempt=0)
    rows.attempt(done, event)
    found = cli.done("event", "show", event["id"])
    assert list(found) == EVENT_FIELDS
    assert (found["payload"], found["headers"]) == ('{"id": 42}', {"X-A": "b"})
    assert all(list(each) == STATUS_FIELDS for each in found["deliveries"])
    states = {UUID(each["endpoint_id"]): (each["state"], each["explanation"]) for each in found["deliveries"]}
    assert states[dead] == ("dead", "given up: every retry of the schedule failed (last: status 500)")
    assert states[paused][0] == "held"
    assert f"relay endpoint resume {paused}" in states[paused][1]
    assert states[done] == ("delivered", "delivered with attempt 1, status 200")


def test_show_says_when_no_relay_is_running(cli: CommandLine, rows: Rows) -> None:
    event = rows.event(fanned_out=False)
    assert "no relay is running" in cli.done("event", "show", event["id"])["deliveries"][0]["explanation"]
    rows.insert(
        "relay_instance", host="h", boot_id="b", pid=1, process_started="1", version="1", state="active"
    )
    assert "about to be fanned out" in cli.run("event", "show", event["id"], "-o", "table").out


def test_show_explains_an_event_for_nobody(cli: CommandLine, rows: Rows) -> None:
    event = rows.event()
    rows.insert("unrouted", event_seq=event["seq"], reason="no_subscription")
    found = cli.done("event", "show", event["id"])["deliveries"][0]
    assert (found["delivery"], found["state"]) == (None, "unrouted")
    assert "no endpoint of its tenant subscribed" in found["explanation"]


def test_cancel_withdraws_once_and_says_so(cli: CommandLine, rows: Rows) -> None:
    event = rows.event()
    rows.delivery(rows.endpoint(), event=event, state="pending", attempt=0)
    ran = cli.run("event", "cancel", event["id"])
    assert ran.data["deliveries"][0]["state"] == "cancelled"
    assert "is withdrawn" in ran.err
    assert "was withdrawn before" in cli.run("event", "cancel", event["id"]).err
    assert rows.audit() == [("event.cancel", str(event["id"]))]


@pytest.mark.parametrize("command", ["show", "cancel"])
def test_an_unknown_event_is_not_found_and_a_bad_id_wrong_usage(
    cli: CommandLine, rows: Rows, command: str
) -> None:
    ran = cli.run("event", command, nobody())
    assert (ran.code, ran.out) == (1, "")
    assert "there is no event" in ran.err
    assert cli.run("event", command, "nonsense").code == 2
    assert rows.fetch("select from relay.cancellation") == []
