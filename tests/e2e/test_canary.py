"""Secrets that were planted everywhere are found nowhere but where they belong."""

import asyncio
import base64
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from tests.support.postgres import pg_dump
from tests.support.receiver import Reply
from tests.support.world import World

SIGNING = os.urandom(32)
MASTER = os.urandom(32)
PASSWORD = "canary-password-0b7e"
BEARER = "canary-bearer-93ad"
QUERY = "canary-query-51c2"


def forms(secret: bytes | str) -> Iterator[str]:
    """Yield what a secret looks like in text, and in parts of it."""
    if isinstance(secret, str):
        yield secret
        return
    text = base64.b64encode(secret).decode()
    yield from (
        secret.hex(),
        f"whsec_{text}".encode().hex(),
        text.rstrip("="),
        base64.urlsafe_b64encode(secret).decode(),
    )


async def test_no_secret_is_told(world: World, tmp_path: Path) -> None:
    world.receiver.respond = lambda request: Reply(status=200 if b"good" in request.body else 500)
    parts = urlsplit(world.dsn)
    user, _, host = parts.netloc.rpartition("@")
    dsn = urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}:{PASSWORD}@{host}"))
    secret_file = tmp_path / "secret"
    secret_file.write_text("whsec_" + base64.b64encode(SIGNING).decode())
    environment = {
        "RELAY_SECURITY__MASTER_KEY": base64.b64encode(MASTER).decode(),
        "RELAY_SECURITY__ALLOW_HTTP": "true",
        "RELAY_SECURITY__ALLOW_CIDRS": "127.0.0.0/8",
        "RELAY_DATABASE__DSN": dsn,
    }
    added = await world.relay(
        "endpoint", "add", world.receiver.url(f"/hook?token={QUERY}"), "--secret-file", str(secret_file),
        "--header", f"Authorization: Bearer {BEARER}", "-o", "json", environment=environment,
    )  # fmt: skip
    endpoint_id = added["id"]
    daemon = await world.start(dsn=dsn, environment=environment)
    good = await world.application.insert('{"good": 1}')
    bad = await world.application.insert('{"bad": 1}')
    for event_id in (good, bad):
        await world.receiver.wait_for_event(event_id)
    await daemon.wait_for_log("delivery.delivered", event_id=good)
    await daemon.wait_for_log("attempt.failed", event_id=bad)
    told = {
        "the log": b"".join(daemon.raw).decode(),
        "stderr": daemon.stderr.decode(),
        "the database": await asyncio.to_thread(pg_dump, world.dsn),
        **{
            " ".join(command): str(await world.relay(*command, "-o", "json", environment=environment))
            for command in (
                ("endpoint", "show", endpoint_id),
                ("endpoint", "list"),
                ("delivery", "show", f"{good}/{endpoint_id}"),
                ("delivery", "list"),
                ("event", "show", str(good)),
                ("config", "show"),
            )
        },
    }

    places = {
        (place, name)
        for place, text in told.items()
        for name, secret in (
            ("signing", SIGNING),
            ("master", MASTER),
            ("password", PASSWORD),
            ("bearer", BEARER),
            ("query", QUERY),
        )
        for form in forms(secret)
        if form in text
    }
    # An operator who looks at an endpoint sees where it is; its headers are in its row, and nowhere else.
    assert {name for _, name in places} <= {"bearer", "query"}
    assert {place for place, name in places if name == "bearer"} <= {
        "the database",
        f"endpoint show {endpoint_id}",
        "endpoint list",
    }
    assert not {place for place, _ in places} & {"the log", "stderr", "config show"}
    assert ("Authorization", f"Bearer {BEARER}") in world.receiver.received[0].headers
