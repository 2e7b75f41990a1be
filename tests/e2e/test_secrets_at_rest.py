"""Endpoints' secrets in the database: sealed, bound to their endpoints, and changed over to another master key."""

import asyncio
import base64
import os
import signal
from uuid import UUID

import pytest

from relay.receiver import verify
from relay.store.secrets import SecretBox, key_id_of
from tests.support.daemon import LOOPBACK, Daemon, Sections, config_text
from tests.support.postgres import pg_dump
from tests.support.receiver import Received
from tests.support.world import World

OLD, NEW, OTHER = (os.urandom(32) for _ in range(3))
KEY_OF_ALL = "select array_agg(distinct key_id) from relay.endpoint_secret"
LACKS = "update relay.relay_instance set key_ids = null"


def keys(*given: bytes) -> str:
    return ",".join(base64.b64encode(key).decode() for key in given)


def environment(*given: bytes) -> dict[str, str]:
    return {"RELAY_SECURITY__MASTER_KEY": keys(*given)}


async def add(world: World, path: str, *given: bytes) -> tuple[UUID, str]:
    """Add an endpoint by the command line; returns its id and its secret."""
    allowed = {"RELAY_SECURITY__ALLOW_HTTP": "true", "RELAY_SECURITY__ALLOW_CIDRS": "127.0.0.0/8"}
    added = await world.relay(
        "endpoint",
        "add",
        world.receiver.url(path),
        "-o",
        "json",
        environment={**environment(*given), **allowed},
    )
    return UUID(added["id"]), added["secret"]


def is_signed(request: Received, secret: str) -> bool:
    return (
        verify(request.body, dict(request.headers), [secret], format="standard").event_id == request.event_id
    )


async def test_a_dump_has_no_secret_and_requests_are_signed_with_it(world: World) -> None:
    endpoint_id, secret = await add(world, "/", OLD)
    rotated = await world.relay(
        "endpoint", "rotate-secret", str(endpoint_id), "-o", "json", environment=environment(OLD)
    )
    await world.start(environment=environment(OLD))
    event_id = await world.application.insert()
    request = await world.receiver.wait_for_event(event_id)

    assert is_signed(request, rotated["secret"])
    assert is_signed(request, secret)
    dumped = await asyncio.to_thread(pg_dump, world.dsn)
    for each in (secret, rotated["secret"]):
        text = each.removeprefix("whsec_")
        for form in (each, text, each.encode().hex(), base64.b64decode(text).hex()):
            assert form not in dumped
    assert (
        await world.application.fetchval("select count(*) from relay.endpoint_secret where key_id is null")
        == 0
    )


async def test_secrets_from_before_are_sealed_at_the_first_start_with_a_key(world: World) -> None:
    await world.application.add_endpoint(world.receiver.url())
    daemon = await world.start()
    await daemon.wait_for_log("secrets.plain")
    await daemon.terminate()
    assert (
        await world.application.fetchval("select count(*) from relay.endpoint_secret where key_id is null")
        == 1
    )

    again = await world.start(environment=environment(OLD))

    await again.wait_for_log("secrets.sealed")
    assert await world.application.fetchval("select key_id from relay.endpoint_secret") == key_id_of(OLD)
    event_id = await world.application.insert()
    await again.wait_for_log("delivery.delivered", event_id=event_id)


@pytest.mark.parametrize("given", [(), (OTHER,)], ids=["missing", "wrong"])
async def test_without_the_right_key_the_start_is_refused_and_nothing_is_claimed(
    world: World, given: tuple[bytes, ...]
) -> None:
    await add(world, "/", OLD)
    event_id = await world.application.insert()

    daemon = await world.start(environment=environment(*given) if given else None, waits=False)

    assert await daemon.wait() == 78
    assert key_id_of(OLD) in str(daemon.logged("relay.failed")[0]["detail"])
    assert not world.receiver.received
    assert await world.application.fetchval("select count(*) from relay.fresh") == 1
    assert await world.application.fetchval("select count(*) from relay.delivery") == 0
    (status,) = await world.application.status(event_id)
    assert status["state"] == "pending"


async def test_a_ciphertext_that_was_moved_fails_for_that_endpoint_alone(world: World) -> None:
    moved, _ = await add(world, "/moved", OLD)
    fine, secret = await add(world, "/fine", OLD)
    await world.application.execute(
        "update relay.endpoint_secret set sealed = (select sealed from relay.endpoint_secret where endpoint_id = $1)"
        " where endpoint_id = $2",
        fine,
        moved,
    )
    daemon = await world.start(environment=environment(OLD))
    await daemon.wait_for_log("endpoint.unusable", endpoint_id=str(moved))
    event_id = await world.application.insert()

    request = await world.receiver.wait_for_event(event_id)

    assert request.path == "/fine"
    assert is_signed(request, secret)
    await asyncio.sleep(0.5)
    assert [each.path for each in world.receiver.received] == ["/fine"]


def sections(*given: bytes) -> Sections:
    return {"security": {"master_key": [keys(each) for each in given]}}


def configure(world: World, daemon: Daemon, *given: bytes) -> None:
    """Write the daemon another configuration."""
    database: Sections = {"database": {"dsn": world.dsn}}
    daemon.config.write_text(config_text(LOOPBACK, database, sections(*given)), encoding="utf-8")


async def test_another_master_key_takes_over_under_load(world: World) -> None:
    """The new key is put first and the relay reloaded, all is sealed anew, and the old key is taken away."""
    endpoints = dict([await add(world, f"/{number}", OLD) for number in range(4)])
    daemon = await world.start(sections(OLD))
    is_over = asyncio.Event()

    async def publish() -> list[UUID]:
        ids: list[UUID] = []
        while not is_over.is_set():
            ids += await world.application.insert_all(['{"id": 1}'] * 10)
            await asyncio.sleep(0.05)
        return ids

    publishing = asyncio.create_task(publish())
    await world.receiver.wait_for_requests(100)
    configure(world, daemon, NEW, OLD)
    daemon.signal(signal.SIGHUP)
    await daemon.wait_for_log("config.reloaded")
    done = await world.relay("secrets", "rewrap", "-o", "json", environment=environment(NEW, OLD))
    assert (done["sealed"], done["unreadable"], done["key_id"]) == (4, 0, key_id_of(NEW))
    configure(world, daemon, NEW)
    daemon.signal(signal.SIGHUP)
    await daemon.wait_for_log("config.reloaded", count=2)
    seen = len(world.receiver.received)
    await world.receiver.wait_for_requests(seen + 200)
    is_over.set()
    ids = await publishing

    await world.application.wait_until("select not exists (select from relay.fresh)")
    await world.application.wait_until("select not exists (select from relay.delivery)")
    secrets = {f"/{number}": secret for number, secret in enumerate(endpoints.values())}
    assert all(is_signed(each, secrets[each.path]) for each in world.receiver.received)
    assert len(world.receiver.received) == 4 * len(ids)
    assert not daemon.logged("endpoint.unusable")
    box = SecretBox((NEW,))
    for row in await world.application.fetch("table relay.endpoint_secret"):
        opened = box.open(row["sealed"], row["key_id"], endpoint_id=row["endpoint_id"])
        assert opened == endpoints[row["endpoint_id"]]


async def test_what_cannot_be_opened_is_counted_and_left(world: World) -> None:
    await add(world, "/", OLD)
    await add(world, "/", OTHER)

    code, complained = await world.try_relay("secrets", "rewrap", environment=environment(NEW, OLD))

    assert code == 1
    assert "1 secrets cannot be opened" in complained
    left = await world.application.fetch("select key_id from relay.endpoint_secret order by id")
    assert [row["key_id"] for row in left] == [key_id_of(NEW), key_id_of(OTHER)]


async def test_nothing_is_sealed_with_a_key_that_a_running_relay_lacks(world: World) -> None:
    """Active or not: a standby may take over at any moment."""
    await add(world, "/", OLD)
    active = await world.start(sections(NEW, OLD))
    standby = await world.start(sections(OLD))
    code, complained = await world.try_relay("secrets", "rewrap", environment=environment(NEW, OLD))

    assert code == 1
    lacking = standby.logged("relay.started")[0]["instance_id"]
    assert f"standby relay {lacking} (process {standby.pid} on " in complained
    assert f"master key {key_id_of(NEW)}" in complained
    assert "active" not in complained
    assert await world.application.fetchval(KEY_OF_ALL) == [key_id_of(OLD)]

    configure(world, standby, OLD, NEW)
    standby.signal(signal.SIGHUP)
    await world.application.wait_until(
        "select bool_and(key_ids @> array[$1::text]) from relay.relay_instance", key_id_of(NEW)
    )
    await world.relay("secrets", "rewrap", "-o", "json", environment=environment(NEW, OLD))
    assert await world.application.fetchval(KEY_OF_ALL) == [key_id_of(NEW)]
    assert active.exit_code is standby.exit_code is None


async def test_a_relay_that_does_not_say_what_it_holds_counts_as_lacking_it_unless_forced(
    world: World,
) -> None:
    """As one of a version from before it was asked."""
    await add(world, "/", OLD)
    await world.start(sections(NEW, OLD))
    await world.application.execute(LACKS)
    code, complained = await world.try_relay("secrets", "rewrap", environment=environment(NEW, OLD))
    assert (code, "does not say which keys it holds" in complained) == (1, True)
    assert await world.application.fetchval(KEY_OF_ALL) == [key_id_of(OLD)]

    await world.relay("secrets", "rewrap", "--force", "-o", "json", environment=environment(NEW, OLD))
    assert await world.application.fetchval(KEY_OF_ALL) == [key_id_of(NEW)]


async def test_relays_that_are_gone_keep_nothing_from_being_sealed(world: World) -> None:
    await add(world, "/", OLD)
    stopped = await world.start(sections(OLD))
    await stopped.terminate()
    killed = await world.start(sections(OLD))
    await killed.kill()
    await world.application.execute(
        "update relay.relay_instance set last_seen_at = now() - interval '1 minute' where state <> 'stopped'"
    )

    await world.relay("secrets", "rewrap", "-o", "json", environment=environment(NEW, OLD))

    assert await world.application.fetchval(KEY_OF_ALL) == [key_id_of(NEW)]
