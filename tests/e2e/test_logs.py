"""What the daemon writes to stdout: JSON lines from the catalogue, and nothing that must stay secret."""

import shutil
import subprocess
from uuid import uuid4

import pytest

from relay.http.signature import generate_secret
from relay.observe.catalogue import CATALOGUE
from relay.observe.catalogue_keys import COMMON_KEYS
from tests.support.receiver import Reply
from tests.support.world import World

FRAME = {"timestamp", "level", "event"}
EVENTS = {event.name: event for event in CATALOGUE}


def jq(program: str, lines: list[bytes]) -> list[str]:
    """Return what `jq -r` makes of these lines, one a line."""
    binary = shutil.which("jq")
    if binary is None:
        pytest.skip("jq is not installed; cure: apt-get install jq")
    done = subprocess.run([binary, "-r", program], input=b"".join(lines), capture_output=True, check=True)
    return done.stdout.decode().splitlines()


async def eventful(world: World) -> tuple[list[bytes], str, list[str]]:
    """Run a day in small; returns the log, the event to follow, and what must not be in the log."""
    secret, canary = generate_secret(), f"canary-{uuid4().hex}"
    world.receiver.respond = lambda request: (
        Reply(status=500, body=canary.encode(), headers=(("X-Note", canary),))
        if request.path.startswith("/fails") and request.attempt < 3
        else Reply(status=410 if request.path.startswith("/gone") else 200)
    )
    for name in ("fails", "gone", "works"):
        await world.application.add_endpoint(
            world.receiver.url(f"/{name}?token={canary}"),
            secrets=[secret],
            event_types=[name],
            headers=f'{{"X-Own-Key": "{canary}"}}',
        )
    await world.application.add_endpoint(f"http://10.0.0.1/?token={canary}", event_types=["refused"])
    daemon = await world.start({"retry": {"base": "20ms"}})
    await world.application.insert_all([f'{{"card": "{canary}"}}'] * 3, event_type="works")
    for event_type in ("gone", "refused", "nobody"):
        await world.application.insert(f'{{"card": "{canary}"}}', event_type=event_type)
    followed = await world.application.insert(f'{{"card": "{canary}"}}', event_type="fails")
    await world.application.execute("select relay.cancel($1)", uuid4())
    await daemon.wait_for_log("delivery.delivered", count=4)
    await daemon.wait_for_log("delivery.dead", count=2)
    await daemon.wait_for_log("event.unrouted")
    await daemon.wait_for_log("endpoint.disabled")
    assert await daemon.terminate() == 0
    assert not daemon.stderr
    return daemon.raw, str(followed), [canary, secret, secret.removeprefix("whsec_"), "token="]


async def test_the_log_is_json_from_the_catalogue_tells_each_story_and_no_secret(world: World) -> None:
    lines, followed, secrets = await eventful(world)

    text = b"".join(lines).decode()
    assert not [secret for secret in secrets if secret in text]
    story = jq(f'select(.event_id == "{followed}") | "\\(.event) \\(.attempt) \\(.status_code)"', lines)
    assert story == [
        "event.fanned_out null null",
        "attempt.failed 1 500",
        "attempt.failed 2 500",
        "delivery.delivered 3 200",
    ]
    assert {"relay.starting", "relay.active", "relay.started", "relay.draining", "relay.stopped"} <= set(
        jq(".event", lines)
    )


async def test_every_line_has_the_level_and_the_keys_of_the_catalogue(world: World) -> None:
    await eventful(world)

    for line in world.daemons[0].lines:
        assert line["event"] in EVENTS, line
        known = EVENTS[line["event"]]
        assert line["level"] == known.level, line
        assert line.keys() <= FRAME | set(known.keys) | COMMON_KEYS.keys(), line


async def test_successes_can_be_left_out_but_failures_cannot(world: World) -> None:
    world.receiver.script[None, 1] = Reply(status=500)
    await world.application.add_endpoint(world.receiver.url())
    event_id = await world.application.insert()
    daemon = await world.start({"log": {"sample_success": 0.0}, "retry": {"base": "10ms"}})
    await world.application.wait_for_state(event_id, "delivered")
    assert await daemon.terminate() == 0

    assert not daemon.logged("delivery.delivered")
    assert len(daemon.logged("attempt.failed", event_id=event_id)) == 1
