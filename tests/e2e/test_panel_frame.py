"""What holds for every page: its files, its messages, its problems, and what is live on it."""

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import aiohttp
import orjson
import pytest

from relay.admin.live import MOST_VIEWERS
from relay.admin.pages.static import TYPES, files
from tests.fault.proxy import Proxy, Way, proxy_to
from tests.support.admin import LIMIT, Panel, open_panel
from tests.support.pages import elements_of, flash_of, text_of
from tests.support.world import World

PAGES = (
    "/",
    "/deliveries",
    "/endpoints",
    "/events",
    "/operations",
    "/alerts",
    "/audit",
    "/endpoints/new",
    "/events/new",
)


@pytest.fixture
async def proxy(world: World) -> AsyncIterator[Proxy]:
    place = parse_qs(urlsplit(world.dsn).query)
    async with proxy_to(Path(place["host"][0]) / f".s.PGSQL.{place['port'][0]}") as running:
        yield running


async def test_a_first_page_is_small_with_all_that_it_loads(panel: Panel) -> None:
    async with panel.browser(await panel.token()) as browser:
        page = await browser.read("/")
        loaded = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page))
        total = len(page.encode())
        for path in loaded:
            async with browser.client.get(path, headers={"Accept-Encoding": "gzip"}) as response:
                assert response.status == 200
                total += int(response.headers["Content-Length"])
        assert len(loaded) >= 4
        assert total <= 100 * 1024


async def test_files_are_kept_by_browsers_and_others_are_not_there(panel: Panel) -> None:
    async with panel.client() as client:
        for name, content_type in TYPES.items():
            found = files()[name]
            for encoding in ("gzip", "identity"):
                async with client.get(found.path, headers={"Accept-Encoding": encoding}) as response:
                    assert response.status == 200
                    assert response.content_type == content_type
                    assert "immutable" in response.headers["Cache-Control"]
                    assert response.headers.get("Content-Encoding", "identity") == encoding
                    assert await response.read() == found.content
        for path in (
            "/static/000000000000/relay.css",
            "/static/x/..%2f..%2fserver.py",
            "/static/x/htmx.LICENSE",
        ):
            async with client.get(path) as response:
                assert response.status == 404


async def test_no_page_has_anything_inline_that_its_policy_forbids(panel: Panel) -> None:
    async with panel.browser(await panel.token()) as browser:
        for path in PAGES:
            for tag, attributes in elements_of(await browser.read(path)):
                assert tag != "style"
                assert tag != "script" or (attributes.get("src") or "").startswith("/static/"), path
                assert "style" not in attributes
                assert not any(name.startswith("on") for name in attributes)


async def test_every_page_has_landmarks_labels_and_one_heading(panel: Panel) -> None:
    async with panel.browser(await panel.token()) as browser:
        for path in PAGES:
            page = await browser.read(path)
            elements = elements_of(page)
            tags = [tag for tag, _ in elements]
            assert tags.count("h1") == tags.count("main") == 1, path
            assert 'href="#main"' in page
            labelled = {attributes.get("for") for tag, attributes in elements if tag == "label"}
            for tag, attributes in elements:
                if tag == "th":
                    assert attributes.get("scope") in {"col", "row"}, path
                if tag in {"input", "textarea"} and attributes.get("id"):
                    assert attributes["id"] in labelled, (path, attributes)


async def test_a_message_is_shown_once_and_cannot_be_made_by_others(panel: Panel) -> None:
    async with panel.browser(await panel.token()) as browser:
        page = await browser.submit("/sending/resume", {"all": "yes"})
        assert flash_of(page) == "Sending was not paused."
        assert flash_of(await browser.read("/")) == ""
        forged = base64.urlsafe_b64encode(orjson.dumps(["good", "All is well."])).decode()
        for cookie in (forged, f"{forged}.", f"{forged}.{'0' * 64}", "é.é", "."):
            async with browser.client.get("/", headers={"Cookie": f"relay_flash={cookie}"}) as response:
                assert "All is well" not in await response.text()


async def test_problems_say_what_the_matter_is_and_what_to_do(panel: Panel) -> None:
    async with panel.browser(await panel.token()) as browser:
        for path in ("/nowhere", "/endpoints/x", "/events/1", "/operations/abc", "/deliveries/a/b"):
            page = await browser.read(path, status=404)
            assert "There is nothing at this address" in text_of(page)
            assert "Sign out" in page
        browser.csrf_token = "0" * 64
        page = await browser.submit("/sending/resume", {"all": "yes"}, status=403)
        assert "This form is out of date" in text_of(page)


async def test_without_a_database_the_page_says_so_and_looks_again_by_itself(
    world: World, proxy: Proxy
) -> None:
    dsn = proxy.dsn.replace("/relay?", f"/{urlsplit(world.dsn).path[1:]}?")
    panel = await open_panel(world, dsn=dsn)
    async with panel.browser(await panel.token()) as browser:
        await browser.read("/deliveries")
        proxy.hold(Way.BOTH)
        proxy.reset()
        page = await browser.read("/deliveries", status=503)
        assert "The database is away" in text_of(page)
        assert "Nothing is lost" in text_of(page)
        assert '<meta http-equiv="refresh" content="5">' in page
        assert 'aria-current="page"' in page
        proxy.pass_on()
        await read_until_there(browser.client, "/deliveries")


async def read_until_there(client: aiohttp.ClientSession, path: str) -> None:
    async with asyncio.timeout(20):
        while True:
            async with client.get(path) as response:
                if response.status == 200:
                    return


async def events_of(response: aiohttp.ClientResponse, count: int) -> list[tuple[str, str]]:
    """Return the next events of a stream, each with its data."""
    found: list[tuple[str, str]] = []
    kind, data = "", []
    async with asyncio.timeout(20):
        while len(found) < count:
            line = (await response.content.readline()).decode().rstrip("\n")
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                data.append(line.removeprefix("data: "))
            elif not line and kind:
                found.append((kind, "\n".join(data)))
                kind, data = "", []
    return found


async def test_the_overview_is_live(panel: Panel) -> None:
    async with panel.browser(await panel.token()) as browser, browser.client.get("/live") as stream:
        assert stream.content_type == "text/event-stream"
        ((kind, data),) = await events_of(stream, 1)
        assert kind == "parts"
        assert 'data-part="tiles"' in data
        assert "Sending is paused" not in text_of(data)
        await browser.submit("/sending/pause", {"all": "yes"})
        async with asyncio.timeout(20):
            while "Sending is paused" not in text_of(data):
                ((_, data),) = await events_of(stream, 1)
        assert browser.csrf_token in data


async def test_asking_for_the_head_of_the_stream_does_not_begin_it(panel: Panel) -> None:
    async with panel.browser(await panel.token()) as browser, browser.client.head("/live") as response:
        assert response.status == 200
        assert response.content_type == "text/event-stream"


async def test_a_stream_ends_when_the_relay_stops(panel: Panel) -> None:
    async with panel.browser(await panel.token()) as browser, browser.client.get("/live") as stream:
        await events_of(stream, 1)
        assert await panel.daemon.terminate() == 0


async def test_there_are_so_many_live_pages_and_no_more(panel: Panel) -> None:
    headers = {"Authorization": f"Bearer {await panel.token('read')}"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(
        panel.base, headers=headers, timeout=LIMIT, connector=connector
    ) as client:
        streams = [await client.get("/live") for _ in range(MOST_VIEWERS)]
        assert {each.status for each in streams} == {200}
        async with client.get("/live") as response:
            assert response.status == 429
        for each in streams:
            each.close()
        await read_until_there(client, "/live")
