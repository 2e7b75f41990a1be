"""Somebody with psql and nothing else publishes events and sees what became of them."""

import asyncio

from tests.support.psql import psql
from tests.support.receiver import Reply
from tests.support.world import World


async def ask(world: World, script: str) -> list[str]:
    """Run a script with psql and return what it printed, one row a line and columns parted by bars."""
    head = "\\set ON_ERROR_STOP on\n\\pset format unaligned\n\\pset tuples_only on\n"
    done = await asyncio.to_thread(psql, world.dsn, head + script)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


async def test_events_are_published_and_their_log_is_read_with_psql_alone(world: World) -> None:
    world.receiver.respond = lambda request: Reply(
        status=200 if request.path == "/good" else 503, body=b"come back later"
    )
    await world.application.add_endpoint(world.receiver.url("/good"), event_types=["invoice.paid"])
    await world.application.add_endpoint(world.receiver.url("/bad"), event_types=["invoice.late"])
    daemon = await world.start({"retry": {"base": "1h"}})

    (published,) = await ask(
        world,
        """
        begin;
        insert into relay.outbox (event_type, payload) values ('invoice.paid', '{"id":  42}');
        select relay.publish('invoice.late', '{"id": 43}', ordering_key => 'invoice:43');
        commit;
        begin;
        insert into relay.outbox (event_type, payload) values ('invoice.paid', '{"id": 44}');
        rollback;
        """,
    )
    await daemon.wait_for_log("attempt.failed", event_id=published)
    await daemon.wait_for_log("delivery.delivered")

    log = await ask(
        world,
        """
        select event_type, attempt, status_code, outcome, request_body, response_body
        from relay.delivery_log order by event_type;
        """,
    )
    assert log == [
        'invoice.late|1|503|retrying|{"id": 43}|come back later',
        'invoice.paid|1|200|delivered|{"id":  42}|come back later',
    ]
    assert [request.body for request in world.receiver.received if request.path == "/good"] == [
        b'{"id":  42}'
    ]


async def test_why_a_delivery_waits_is_seen_with_psql_alone(world: World) -> None:
    world.receiver.respond = lambda _: Reply(status=500)
    for event_type in ("retrying", "paused"):
        await world.application.add_endpoint(world.receiver.url(), event_types=[event_type])
    await world.application.add_endpoint(world.receiver.url(), event_types=["keyless"], secrets=[])
    daemon = await world.start({"retry": {"base": "1h"}})
    await ask(world, "update relay.endpoint set state = 'paused' where event_types = '{paused}';")
    await ask(
        world,
        """
        insert into relay.outbox (event_type, payload, deliver_at) values
          ('retrying', '{}', null), ('paused', '{}', null), ('keyless', '{}', null), ('nobody', '{}', null),
          ('paused', '[]', now() + interval '1 day');
        """,
    )
    await daemon.wait_for_log("attempt.failed")
    await daemon.wait_for_log("event.unrouted")

    status = await ask(
        world,
        """
        select event_type, state, reason, attempts, last_status_code, next_attempt_at > now()
        from relay.delivery_status order by event_type, next_attempt_at;
        """,
    )
    assert status == [
        "keyless|held|secret_missing|0||f",
        "nobody|unrouted|no_subscription|0||",
        "paused|held|endpoint_paused|0||f",
        "paused|held|endpoint_paused|0||t",
        "retrying|retrying||1|500|t",
    ]
    backlog = await ask(world, "select state, deliveries from relay.backlog order by state;")
    assert backlog == ["held|3", "retrying|1"]
    health = await ask(
        world, "select state, held, retrying from relay.endpoint_health order by retrying, held;"
    )
    assert health == ["active|1|0", "paused|2|0", "active|0|1"]
