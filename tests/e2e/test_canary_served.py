"""Secrets that were planted everywhere are not in what a relay serves: pages, API and metrics."""

from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

import aiohttp
import pytest

from tests.e2e.test_canary import BEARER, FORMS, planted
from tests.support.admin import LISTEN, Panel
from tests.support.ports import free_port
from tests.support.receiver import Reply
from tests.support.world import World

API = "/api/v1"
OF_THE_ENDPOINT = ("/endpoints/{endpoint}", f"{API}/endpoints", f"{API}/endpoints/{{endpoint}}")
SERVED = (
    "/", "/deliveries", "/deliveries/{event}/{endpoint}", "/endpoints", "/events", "/events/{event}", "/operations",
    "/alerts", "/audit", f"{API}/deliveries", f"{API}/deliveries/{{event}}/{{endpoint}}",
    f"{API}/endpoints/{{endpoint}}/health", f"{API}/events", f"{API}/events/{{event}}", f"{API}/operations",
    f"{API}/sending", f"{API}/stats", f"{API}/alerts", f"{API}/audit", f"{API}/openapi.json", *OF_THE_ENDPOINT,
)  # fmt: skip


async def served(panel: Panel, scope: str, event_id: UUID, endpoint_id: str) -> Mapping[str, str]:
    """Return what each page and each route of the API says to a token of this scope."""
    told = {}
    token = await panel.token(scope)
    async with panel.browser(token) as browser, panel.client(token) as program:
        for place in SERVED:
            path = place.format(event=event_id, endpoint=endpoint_id)
            if path.startswith(API):
                async with program.get(path) as response:
                    assert response.status == 200
                    told[place] = await response.text()
            else:
                told[place] = await browser.read(path)
        for change in ("pause", "resume") if scope != "read" else ():
            async with program.post(f"{API}/endpoints/{endpoint_id}/{change}", json={}) as response:
                assert response.status == 200
                told[change] = await response.text()
    return told


@pytest.mark.parametrize("scope", ["read", "operate", "admin"])
async def test_no_secret_is_served(world: World, tmp_path: Path, scope: str) -> None:
    world.receiver.respond = lambda _: Reply(status=500)
    endpoint_id, environment, dsn = await planted(world, tmp_path)
    port = free_port()
    metrics = {"metrics": {"listen": f"127.0.0.1:{port}"}}
    daemon = await world.start({**LISTEN, **metrics}, dsn=dsn, environment=environment)
    line = await daemon.wait_for_log("admin.listening")
    panel = Panel(world=world, daemon=daemon, base=f"http://{line['place']}")
    event_id = await world.application.insert(headers=f'{{"X-Api-Token": "{BEARER}"}}')
    await daemon.wait_for_log("attempt.failed", event_id=event_id)

    told = dict(await served(panel, scope, event_id, endpoint_id))
    async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{port}/metrics") as response:
        told["the metrics"] = await response.text()

    found = {
        (place, name)
        for place, text in told.items()
        for name, written in FORMS.items()
        for form in written
        if form in text
    }
    # The URL with its query is what an endpoint is known by; whoever may change headers sees them.
    of_headers = {*OF_THE_ENDPOINT, "/events/{event}", f"{API}/events/{{event}}", "pause", "resume"}
    seen = of_headers if scope == "admin" else set()
    assert {name for _, name in found} <= {"query", "bearer"}
    assert {place for place, name in found if name == "bearer"} == seen
    assert ("the metrics", "query") not in found
    assert f"Bearer {BEARER}" in dict(world.receiver.received[0].headers).values()
