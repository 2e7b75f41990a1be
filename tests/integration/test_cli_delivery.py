"""`relay delivery list` and `show`."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from tests.support.command_line import CommandLine, Rows, cli, nobody, rows

__all__ = ["cli", "rows"]

# The columns of the views relay.delivery_status and relay.delivery_log, in their order.
STATUS = [
    *("event_id", "endpoint_id", "event_type", "tenant", "state", "reason", "attempts", "last_status_code"),
    *("last_error", "next_attempt_at", "created_at", "ended_at"),
]
LOG = [
    *("event_id", "event_type", "endpoint_id", "url", "attempt", "trigger_type", "stale", "status_code"),
    *("error_code", "error", "request_headers", "request_body", "response_headers", "response_body"),
    *("duration_ms", "attempted_at", "next_attempt_at", "outcome"),
]


def names(found: list[dict[str, str]]) -> list[str]:
    return [each["delivery"] for each in found]


def fill(rows: Rows) -> dict[str, str]:
    """Make one delivery in each state, the oldest first; return the names by state."""
    endpoint_id, paused, done = rows.endpoint(), rows.endpoint(state="paused"), rows.endpoint()
    later = datetime.now(UTC) + timedelta(hours=1)
    event = rows.event(event_type="order.placed")
    rows.attempt(done, event)
    cancelled = rows.event()
    rows.insert("cancellation", event_id=cancelled["id"])
    return {
        "delivered": f"{event['id']}/{done}",
        "dead": rows.delivery(endpoint_id),
        "retrying": rows.delivery(endpoint_id, state="retrying", last_status_code=503),
        "pending": rows.delivery(endpoint_id, state="pending", attempt=0, last_status_code=None),
        "in_flight": rows.delivery(endpoint_id, state="pending", claimed_by=1, next_attempt_at=later),
        "held": rows.delivery(paused, state="pending", event=rows.event(event_type="order.late")),
        "cancelled": rows.delivery(endpoint_id, state="pending", event=cancelled),
    }


def test_list_has_every_state_newest_first_as_the_view_has_it(cli: CommandLine, rows: Rows) -> None:
    by_state = fill(rows)
    found = cli.done("delivery", "list")
    assert list(found[0]) == ["delivery", *STATUS]
    assert {each["state"]: each["delivery"] for each in found} == by_state
    # The cancelled event was inserted second, all others in the order of their deliveries.
    order = ["held", "in_flight", "pending", "retrying", "dead", "cancelled", "delivered"]
    assert names(found) == [by_state[state] for state in order]
    view = {
        (row["event_id"], row["endpoint_id"]): (row["state"], row["reason"], row["attempts"])
        for row in rows.fetch("select * from relay.delivery_status")
    }
    listed = {
        (UUID(each["event_id"]), UUID(each["endpoint_id"])): (each["state"], each["reason"], each["attempts"])
        for each in found
    }
    assert listed == view


@pytest.mark.parametrize(
    "state", ["delivered", "dead", "retrying", "pending", "in_flight", "held", "cancelled"]
)
def test_list_filters_by_state(cli: CommandLine, rows: Rows, state: str) -> None:
    by_state = fill(rows)
    assert names(cli.done("delivery", "list", "--state", state)) == [by_state[state]]


def test_list_filters_by_everything_else(cli: CommandLine, rows: Rows) -> None:
    by_state = fill(rows)
    endpoint_id = by_state["held"].split("/")[1]
    assert names(cli.done("delivery", "list", "--endpoint", endpoint_id)) == [by_state["held"]]
    orders = names(cli.done("delivery", "list", "--type", "order.*"))
    assert orders == [by_state["held"], by_state["delivered"]]
    assert names(cli.done("delivery", "list", "--type", "order.late")) == [by_state["held"]]
    assert cli.done("delivery", "list", "--type", "order") == []
    assert names(cli.done("delivery", "list", "--status-code", "503")) == [by_state["retrying"]]
    assert names(cli.done("delivery", "list", "--reason", "exhausted")) == [by_state["dead"]]
    assert cli.done("delivery", "list", "--tenant", "nobody") == []
    assert len(cli.done("delivery", "list", "--since", "1h")) == len(by_state)
    assert cli.done("delivery", "list", "--until", "1h") == []
    assert len(cli.done("delivery", "list", "--limit", "3")) == 3


def test_list_has_events_that_are_not_fanned_out_or_matched_nobody(cli: CommandLine, rows: Rows) -> None:
    fresh = rows.event(fanned_out=False)
    lost = rows.event()
    rows.insert("unrouted", event_seq=lost["seq"], reason="no_subscription")
    found = cli.done("delivery", "list")
    assert [(each["event_id"], each["state"], each["endpoint_id"]) for each in found] == [
        (str(lost["id"]), "unrouted", None),
        (str(fresh["id"]), "pending", None),
    ]


def test_list_as_jsonl_is_an_object_a_line(cli: CommandLine, rows: Rows) -> None:
    by_state = fill(rows)
    lines = cli.run("delivery", "list", "-o", "jsonl").out.splitlines()
    assert {json.loads(line)["delivery"] for line in lines} == set(by_state.values())


def test_strangers_text_cannot_act_on_the_terminal(cli: CommandLine, rows: Rows) -> None:
    event, endpoint_id = rows.event(), rows.endpoint()
    evil = "\x1b[31mred\x07 \u202egnp.exe [bold]x[/bold]"
    rows.attempt(endpoint_id, event, response_body=evil, error=evil)
    name = f"{event['id']}/{endpoint_id}"
    for output in ("table", "json"):
        out = cli.run("delivery", "show", name, "-o", output).out
        assert not {"\x1b", "\x07", "\u202e"} & set(out)
        assert "[bold]x[/bold]" in out
    assert cli.done("delivery", "show", name)["log"][0]["response_body"] == evil


def test_show_has_every_attempt_with_request_and_response(cli: CommandLine, rows: Rows) -> None:
    event, endpoint_id = rows.event(), rows.endpoint()
    began = datetime.now(UTC)
    rows.attempt(endpoint_id, event, claim=2, attempt=2, attempted_at=began + timedelta(seconds=5))
    rows.attempt(
        *(endpoint_id, event),
        attempted_at=began,
        status_code=500,
        outcome="retrying",
        ended=False,
        error_code="status",
        response_body="out of order",
    )
    name = f"{event['id']}/{endpoint_id}"
    found = cli.done("delivery", "show", name)
    assert list(found) == ["delivery", *STATUS, "explanation", "log"]
    assert (found["delivery"], found["state"], found["attempts"]) == (name, "delivered", 2)
    assert [list(each) for each in found["log"]] == [LOG, LOG]
    assert [each["attempt"] for each in found["log"]] == [1, 2]
    first = found["log"][0]
    assert first["request_headers"] == {"Content-Type": "application/json"}
    assert first["response_headers"] == {"Server": "test"}
    assert (first["request_body"], first["response_body"]) == ('{"id": 42}', "out of order")
    table = cli.run("delivery", "show", name, "-o", "table").out
    assert table.count("Attempt ") == 2
    assert table.count('{"id": 42}') == 1
    assert "out of order" in table


def test_show_of_an_unknown_delivery_is_not_found(cli: CommandLine, rows: Rows) -> None:
    for event_id in (nobody(), rows.event()["id"]):
        ran = cli.run("delivery", "show", f"{event_id}/{nobody()}")
        assert (ran.code, ran.out) == (1, "")
        assert "there is no delivery" in ran.err


@pytest.mark.parametrize("name", ["x", "x/y", "6f0c5a7e-0000-4000-8000-000000000000", "{}/{}"])
def test_show_of_what_is_no_name_is_wrong_usage(cli: CommandLine, name: str) -> None:
    ran = cli.run("delivery", "show", name)
    assert ran.code == 2
    assert "EVENT_ID/ENDPOINT_ID" in ran.err


def test_list_does_not_read_the_whole_log(rows: Rows) -> None:
    """A list of the newest takes its rows from the end of an index, however much is before them."""
    rows.fetch(
        "insert into relay.outbox (event_type, payload) select 'a', '1' from generate_series(1, 20000)"
    )
    rows.fetch("truncate relay.fresh")
    rows.fetch(
        "insert into relay.attempt (event_seq, endpoint_id, claim, attempted_at, attempt, duration_ms, "
        "status_code, stale, ended, outcome, trigger_type, url, request_headers) "
        "select seq, gen_random_uuid(), 1, now(), 1, 1, 200, false, true, 'delivered', 'automatic', 'u', '{}' "
        "from relay.outbox"
    )
    rows.fetch("analyze relay.outbox, relay.attempt")
    plan = explained(rows, "delivery_list", None, None, None, None, None, None, None, None, 10)
    assert plan["Plan"]["Actual Rows"] == 10
    assert rows_read(plan["Plan"]) < 1000


def explained(rows: Rows, name: str, *parameters: object) -> dict[str, dict[str, object]]:
    from relay.store.sql import query  # noqa: PLC0415 - only this test looks at a statement

    text = rows.fetch(f"explain (analyze, format json) {query(name)}", *parameters)[0][0]
    plan: dict[str, dict[str, object]] = json.loads(text)[0]
    return plan


def rows_read(node: dict[str, object]) -> float:
    """Return how many rows the scans of a plan have read, those that a filter dropped included."""
    inner = node.get("Plans", [])
    assert isinstance(inner, list)
    below = sum(rows_read(each) for each in inner)
    if "Relation Name" not in node:
        return below
    numbers = [node.get(key, 0) for key in ("Actual Rows", "Rows Removed by Filter", "Actual Loops")]
    kept, dropped, loops = (float(str(number)) for number in numbers)
    return below + (kept + dropped) * loops
