"""Takes the pictures of the panel that the documentation shows: `make screenshots`.

A relay delivers for a while, so that the graphs have something to say; then its endpoints get names that can be shown.
"""

import argparse
import asyncio
import json
import math
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path

from tests.support.admin import Panel, open_panel
from tests.support.application import Application
from tests.support.chromium import (
    CURE,
    PHONE,
    WIDE,
    Chromium,
    Window,
    connected,
    find_chromium,
    running_chromium,
)
from tests.support.daemon import CHECKOUT
from tests.support.database import Databases
from tests.support.database import connected as connected_database
from tests.support.postgres import installed_bindirs, throwaway_postgres
from tests.support.receiver import Received, Receiver, Reply
from tests.support.showcase import ENDPOINTS, PAYLOAD, Showcase, furnish
from tests.support.world import World

FOLDER = CHECKOUT / "docs" / "images"
TALLEST = {"wide": 1100, "phone": 1500}
"""Pixels: what is below is cut."""
KINDS = ("wide-light", "wide-dark", "phone-light", "phone-dark")
TRAFFIC = ("Acme billing", "Analytics")
"""Endpoints that events are really sent to meanwhile."""
TYPES = ("report.ready", "report.opened", "report.ready", "report.sent")
IN_HAND = """
select not exists (
  select from relay.delivery where state = 'retrying' and next_attempt_at < now() + interval '1 minute' and attempt < 2)
"""
RENAME = """
with named as (update relay.endpoint set url = $2 where description = $1 returning id)
update relay.attempt a set url = $2 from named where named.id = a.endpoint_id
"""


def pages(show: Showcase) -> dict[str, str]:
    """Return the path of every page that is taken, by the name of its picture."""
    return {
        "overview": "/",
        "deliveries": "/deliveries?state=dead",
        "delivery": f"/deliveries/{show.dead}",
        "endpoints": "/endpoints",
        "endpoint": f"/endpoints/{show.endpoint}",
        "endpoint-form": f"/endpoints/{show.endpoint}/edit",
        "events": "/events",
        "event": f"/events/{show.event}",
        "operations": "/operations",
        "operation": f"/operations/{show.working}",
        "retry": f"/operations/{show.prepared}",
        "alerts": "/alerts",
        "audit": "/audit",
    }


async def take(folder: Path, seconds: float) -> None:
    """Take them all.

    Args:
        folder: Where to.
        seconds: How long the relay delivers before.
    """
    program = find_chromium()
    if program is None:
        raise SystemExit(f"there is no chromium; cure: {CURE}")
    with running_chromium(program) as address:
        async with furnished() as (panel, show), connected(address) as chromium:
            made = await panel.world.relay("token", "create", "anna", "--scope", "admin", "-o", "json")
            windows = {kind: await _signed_in(chromium, panel, made["secret"], kind) for kind in KINDS}
            await deliver(panel.world, seconds)
            for name, path in pages(show).items():
                for kind, window in windows.items():
                    target = folder / f"panel-{name}-{kind}.png"
                    await _take(window, path, target, TALLEST[kind.partition("-")[0]])
                    _pack(target)
            trouble = [each for window in chromium.windows for each in window.trouble]
    if trouble:
        raise SystemExit("\n".join(trouble))


@asynccontextmanager
async def furnished() -> AsyncIterator[tuple[Panel, Showcase]]:
    """Run a relay with a panel on a database that has something to show."""
    async with AsyncExitStack() as stack:
        server = stack.enter_context(throwaway_postgres(installed_bindirs()["wheel"]))
        databases = stack.enter_context(closing(Databases(server.dsn)))
        dsn = stack.enter_context(databases.fresh())
        async with connected_database(dsn) as connection:
            show = await furnish(connection)
        receiver = await stack.enter_async_context(Receiver())
        receiver.respond = _fails_at_times
        application = await stack.enter_async_context(Application(dsn))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        world = World(dsn, receiver, application, folder)
        for name in TRAFFIC:
            await application.execute(
                "update relay.endpoint set url = $2 where description = $1",
                name,
                receiver.url(f"/{name[:4]}"),
            )
        try:
            yield await open_panel(world), show
        finally:
            for daemon in world.daemons:
                await daemon.kill()


async def deliver(world: World, seconds: float) -> None:
    """Publish events in waves for so long, then have the endpoints and the relay go by names that can be shown."""
    began = time.monotonic()
    number = 0
    while (passed := time.monotonic() - began) < seconds:
        rate = 14 + 9 * math.sin(passed / 17) + 4 * math.sin(passed / 5)
        number += 1
        payload = json.dumps({**PAYLOAD, "invoice": f"RE-2026-{1000 + number}"})
        keys = {"ordering_key": f"customer:{1000 + number % 40}", "dedupe_key": f"report-{number}"}
        kind = "invoice.paid" if number % 24 == 0 else TYPES[number % len(TYPES)]
        await world.application.insert(payload, event_type=kind, **keys)
        await asyncio.sleep(1 / rate)
    await world.application.wait_until(IN_HAND, limit=60)
    for _, url, name, *_ in ENDPOINTS:
        if name in TRAFFIC:
            await world.application.execute(RENAME, name, url)
    await world.application.execute("update relay.relay_instance set host = 'relay-1'")


def _fails_at_times(request: Received) -> Reply:
    return Reply(
        status=503 if request.attempt == 1 and request.number % 23 == 0 else 200, body=b'{"ok": true}'
    )


async def _signed_in(chromium: Chromium, panel: Panel, token: str, kind: str) -> Window:
    window = await chromium.window(panel.base, dark=kind.endswith("dark"), phone=kind.startswith("phone"))
    await window.open("/sign-in")
    await window.page.get_by_label("Token").fill(token)
    await window.page.get_by_role("button", name="Sign in").click()
    await window.page.get_by_role("heading", name="Overview", exact=True).wait_for()
    return window


async def _take(window: Window, path: str, target: Path, tallest: int) -> None:
    await window.open(path)
    if path == "/":
        await window.page.get_by_text("live", exact=True).wait_for()
    await shoot(window, target, tallest)


async def shoot(window: Window, target: Path, tallest: int) -> None:
    """Take the page as it is, as high as it needs, up to so many pixels."""
    size = PHONE if tallest == TALLEST["phone"] else WIDE
    height: int = await window.page.evaluate("document.documentElement.scrollHeight")
    await window.page.set_viewport_size({"width": size["width"], "height": min(max(height, 500), tallest)})
    await window.page.screenshot(path=target)
    await window.page.set_viewport_size(size)


def _pack(picture: Path) -> None:
    """Give a picture a palette, where there is a tool that can."""
    if tool := shutil.which("pngquant"):
        subprocess.run(
            [tool, "--force", "--strip", "--quality=70-95", "--speed=1", "--output", picture, "--", picture],
            check=True,
            timeout=60,
        )


def main() -> None:
    """Read the command line and take them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300, help="deliver for so long before (300)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the pictures go")
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    asyncio.run(take(options.folder, options.seconds))


if __name__ == "__main__":
    main()
