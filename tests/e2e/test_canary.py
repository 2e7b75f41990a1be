"""Secrets that were planted everywhere are found nowhere but where they belong."""

import asyncio
import base64
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.support.postgres import pg_dump
from tests.support.receiver import Reply
from tests.support.world import World

SIGNING = os.urandom(32)
MASTER = os.urandom(32)
PASSWORD = "canary-password-0b7e"
BEARER = "canary-bearer-93ad"
QUERY = "canary-query-51c2"
PYTHON = (sys.executable, "-m")
LIMIT_COUNTS = not Path("/proc/sys/kernel/core_pattern").read_text(encoding="utf-8").startswith("|")
"""Else a program is handed the core, whatever the limit."""


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


FORMS = {
    name: tuple(forms(secret))
    for name, secret in (
        ("signing", SIGNING),
        ("master", MASTER),
        ("password", PASSWORD),
        ("bearer", BEARER),
        ("query", QUERY),
    )
}


async def planted(world: World, tmp_path: Path) -> tuple[str, dict[str, str], str]:
    """Add an endpoint with secrets everywhere; returns its id, the environment, and the DSN with its password."""
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
    return added["id"], environment, dsn


async def test_no_secret_is_told(world: World, tmp_path: Path) -> None:
    world.receiver.respond = lambda request: Reply(status=200 if b"good" in request.body else 500)
    endpoint_id, environment, dsn = await planted(world, tmp_path)
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
        for name, written in FORMS.items()
        for form in written
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


class Crash(NamedTuple):
    """How a relay ended.

    Attributes:
        is_dumped: The kernel wrote its memory to a file, or gave it to a program.
        core: What it wrote to a file; empty if there is none.
    """

    is_dumped: bool
    core: bytes


async def crashed(world: World, folder: Path, *change: str, number: signal.Signals = signal.SIGSEGV) -> Crash:
    """Have a relay at work crash where core files may be as large as they like.

    Args:
        world: Where it works.
        folder: Empty.
        change: What is different about it; see `tests.support.altered`.
        number: The signal that ends it.
    """
    _, environment, dsn = await planted(world, folder)
    altered = [*PYTHON, "tests.support.altered", *change] if change else []
    daemon = await world.start(
        dsn=dsn,
        environment=environment,
        wrapper=[*PYTHON, "tests.support.crashing", str(folder), *altered],
    )
    event_id = await world.application.insert()
    await world.receiver.wait_for_event(event_id)
    os.kill(daemon.logged("relay.starting")[0]["pid"], number)
    await daemon.wait()
    return await asyncio.to_thread(found_in, folder, number)


def found_in(folder: Path, number: signal.Signals) -> Crash:
    ended = json.loads((folder / "end").read_text(encoding="ascii"))
    assert ended["signal"] == number
    core = b""
    for file in folder.glob("*core*"):
        core += file.read_bytes()
        file.unlink()  # a hundred megabytes that pytest would keep
    return Crash(ended["dumped"], core)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT])
@pytest.mark.parametrize("change", [(), ("undumpable_only",), *([("limited_only",)] if LIMIT_COUNTS else [])])
async def test_a_crash_leaves_no_core_file(
    world: World, tmp_path: Path, number: signal.Signals, change: tuple[str, ...]
) -> None:
    assert await crashed(world, tmp_path, *change, number=number) == Crash(is_dumped=False, core=b"")


async def test_the_core_file_that_is_not_left_would_have_every_secret_in_it(
    world: World, tmp_path: Path
) -> None:
    crash = await crashed(world, tmp_path, "visible")
    if not crash.is_dumped:
        pytest.skip("no core files here; sysctl -w kernel.core_pattern=core, and ulimit -Hc unlimited")

    if crash.core:  # else a program took it
        signing = base64.b64encode(SIGNING)
        for secret in (signing, MASTER, PASSWORD.encode(), BEARER.encode(), QUERY.encode()):
            assert secret in crash.core
