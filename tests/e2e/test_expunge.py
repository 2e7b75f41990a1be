"""`relay event expunge`: no byte of the contents is left, and the log still tells what happened."""

import asyncio
from uuid import UUID

import pytest

from tests.support.command_line import CommandLine, Rows, cli, rows
from tests.support.postgres import pg_dump
from tests.support.receiver import Received, Reply
from tests.support.world import World

__all__ = ["cli", "rows"]

CANARY = "canary-4f1c9a"


async def test_no_byte_of_what_was_sent_is_left(world: World) -> None:
    receiver, application = world.receiver, world.application

    def answer(request: Received) -> Reply:
        """Echo what came, as receivers do that help with debugging."""
        echo = (("X-Echo", CANARY),) if CANARY.encode() in request.body else ()
        return Reply(status=200 if request.path == "/good" else 500, headers=echo, body=request.body)

    receiver.respond = answer
    await application.add_endpoint(receiver.url("/good"))
    await application.add_endpoint(receiver.url("/bad"), retry_schedule=[])
    await world.start({"retry": {"schedule": ["10ms"], "jitter": 0.0}})
    event_id = await application.insert(
        f'{{"secret": "{CANARY}"}}',
        headers=f'{{"X-Canary": "{CANARY}"}}',
        ordering_key=CANARY,
        dedupe_key=CANARY,
    )
    other = await application.insert('{"other": 1}')
    for each in (event_id, other):
        await application.wait_until(
            "select count(*) = 2 from relay.delivery_status where event_id = $1 and state in ('delivered', 'dead')",
            each,
        )
    assert CANARY in await asyncio.to_thread(pg_dump, world.dsn)
    before = await application.log_of(event_id)

    (result,) = await world.relay("event", "expunge", str(event_id), "--yes", "-o", "json")

    assert result["result"] == "expunged"
    assert CANARY not in await asyncio.to_thread(pg_dump, world.dsn)
    after = await application.log_of(event_id)
    told = ("attempt", "status_code", "outcome", "attempted_at", "duration_ms", "url")
    assert [[row[name] for name in told] for row in after] == [[row[name] for name in told] for row in before]
    assert {row["state"] for row in await application.status(event_id)} == {"delivered", "dead"}
    shown = await world.relay("event", "show", str(event_id), "-o", "json")
    assert shown["expunged_at"] is not None
    assert (await world.relay("event", "show", str(other), "-o", "json"))["payload"] == '{"other": 1}'


def result_of(cli: CommandLine, event_id: object, *options: str) -> str:
    ran = cli.run("event", "expunge", str(event_id), "--yes", *options)
    (each,) = ran.data
    assert each["message"]
    result: str = each["result"]
    assert ran.code == (0 if result in {"expunged", "already"} else 1)
    return result


@pytest.mark.parametrize("state", ["pending", "retrying", "held"])
def test_what_waits_is_refused_or_withdrawn(cli: CommandLine, rows: Rows, state: str) -> None:
    name = rows.delivery(rows.endpoint(), state=state)
    event_id = name.partition("/")[0]

    assert result_of(cli, event_id) == "waiting"
    assert rows.of(name)["state"] == state
    assert result_of(cli, event_id, "--cancel") == "expunged"
    assert (rows.of(name)["state"], rows.of(name)["next_attempt_at"]) == ("cancelled", None)
    assert result_of(cli, event_id) == "already"
    ran = cli.run("delivery", "retry", name)
    assert ran.data[0]["result"] in {"cancelled", "expunged"}


def test_an_event_that_is_not_fanned_out_is_withdrawn_as_well(cli: CommandLine) -> None:
    event_id = cli.run("event", "publish", "a.b", "1").out.strip()

    assert result_of(cli, event_id) == "waiting"
    assert result_of(cli, event_id, "--cancel") == "expunged"

    (delivery,) = cli.done("event", "show", event_id)["deliveries"]
    assert delivery["state"] == "cancelled"


def test_an_unknown_one_is_not_found(cli: CommandLine) -> None:
    assert result_of(cli, UUID(int=7)) == "not_found"


def test_all_events_of_a_tenant_are_expunged_and_nobody_elses(cli: CommandLine) -> None:
    for tenant in ("gone", "gone", "stays"):
        cli.run("event", "publish", "a.b", f'"{CANARY}"', "--tenant", tenant)

    ran = cli.run("event", "expunge", "--tenant", "gone", "--cancel", "--yes")

    assert ran.data == {"matched": 2, "results": {"expunged": 2}}
    assert ran.code == 0


async def test_what_is_scheduled_at_the_same_moment_is_never_sent_without_its_contents(world: World) -> None:
    receiver, application = world.receiver, world.application
    await application.add_endpoint(receiver.url())
    await world.start()
    event_id = await application.insert('{"n": 1}')
    await application.wait_for_state(event_id, "delivered")
    await application.execute(
        "update relay.outbox set payload = 'null', expunged_at = now() where id = $1", event_id
    )
    endpoint_id = await application.fetchval("select id from relay.endpoint")
    await application.execute(
        "insert into relay.delivery (event_seq, endpoint_id, size, next_attempt_at, claim, recorded)"
        " select seq, $1, 4, now(), 7, 7 from relay.outbox",
        endpoint_id,
    )
    await application.execute("update relay.endpoint set revision = revision")

    await application.wait_until("select state = 'cancelled' from relay.delivery")

    assert len(receiver.received) == 1
