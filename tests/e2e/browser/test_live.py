"""What changes by itself while somebody looks, and what they are told when it cannot."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.fault.proxy import Proxy, Way, proxy_to
from tests.support.admin import Panel, open_panel
from tests.support.axe import violations
from tests.support.chromium import Chromium, Window
from tests.support.daemon import Sections
from tests.support.receiver import Reply
from tests.support.waiting import eventually
from tests.support.world import World

ONCE: Sections = {"retry": {"schedule": ["1ms"], "jitter": 0.0}, "breaker": {"enabled": False}}
DRAIN = 5.0
MANY = 300


@pytest.fixture
async def proxy(world: World) -> AsyncIterator[Proxy]:
    place = parse_qs(urlsplit(world.dsn).query)
    async with proxy_to(Path(place["host"][0]) / f".s.PGSQL.{place['port'][0]}") as running:
        yield running


async def live(chromium: Chromium, panel: Panel) -> Window:
    """Return a window on the overview, live, that is marked so that a load of the page would show."""
    window = await chromium.window(panel.base)
    await window.sign_in(await panel.link())
    await window.page.get_by_text("live", exact=True).wait_for()
    await window.page.evaluate("document.documentElement.dataset.loaded = 'once'")
    return window


async def was_loaded_once(window: Window) -> bool:
    """Say whether the page is still the one that was marked."""
    loaded: str | None = await window.page.evaluate("document.documentElement.dataset.loaded")
    return loaded == "once"


async def test_the_numbers_of_the_overview_change_without_a_load(world: World, chromium: Chromium) -> None:
    panel = await open_panel(world, ONCE)
    window = await live(chromium, panel)
    page = window.page
    await page.get_by_text("Nothing is failing").wait_for()
    await page.locator(".tile", has_text="Delivered").get_by_text("0.0/s").wait_for()
    await world.application.add_endpoint(world.receiver.url(), description="Billing")
    await world.application.insert_all(['{"id": 1}'] * 50)
    await page.locator(".tile", has_text="Delivered").locator(".figure:not(:text-is('0.0/s'))").wait_for()
    await page.locator(".tile", has_text="Delivery rate").get_by_text("100%").wait_for()

    world.receiver.respond = lambda _: Reply(status=503)
    await world.application.insert_all(['{"id": 2}'] * 7)
    row = page.get_by_role("row").filter(has_text="Billing").filter(has_text="dead")
    await row.get_by_role("link", name="7", exact=True).wait_for()
    assert await was_loaded_once(window)


async def test_an_operation_is_watched_to_its_end_without_a_load(world: World, chromium: Chromium) -> None:
    panel = await open_panel(world, ONCE)
    world.receiver.respond = lambda _: Reply(status=503)
    await world.application.add_endpoint(world.receiver.url(), description="Billing")
    await world.application.insert_all(['{"id": 1}'] * MANY)
    await panel.daemon.wait_for_log("delivery.dead", count=MANY)
    world.receiver.respond = lambda _: Reply()
    window = await live(chromium, panel)
    page = window.page
    row = page.get_by_role("row").filter(has_text="Billing")
    await row.get_by_role("button", name="Retry all").click()
    await page.get_by_role("button", name=f"Retry {MANY}").click()
    await page.get_by_role("progressbar").wait_for()
    await page.evaluate("document.documentElement.dataset.loaded = 'once'")
    await page.locator(".state", has_text="done").wait_for()
    await page.get_by_text(f"{MANY} of {MANY} done").wait_for()
    assert await was_loaded_once(window)
    await world.application.wait_until(
        f"select count(*) = {MANY} from relay.delivery_status where state = 'delivered'"
    )


async def test_when_the_database_is_away_the_page_says_so_and_comes_back_by_itself(
    world: World, chromium: Chromium, proxy: Proxy
) -> None:
    panel = await open_panel(world, dsn=proxy.dsn.replace("/relay?", f"/{urlsplit(world.dsn).path[1:]}?"))
    window = await live(chromium, panel)
    other = await chromium.another(window.page.context, panel.base)
    plain = await chromium.window(panel.base, javascript=False)
    await plain.sign_in(await panel.link())
    proxy.hold(Way.BOTH)
    proxy.reset()
    await window.page.get_by_text("database away, numbers stand still").wait_for()
    await other.open("/deliveries")
    await other.page.get_by_role("heading", name="The database is away").wait_for()
    await other.page.get_by_text("Nothing is lost").wait_for()
    await other.page.get_by_text("relay doctor").wait_for()
    assert await violations(other.page) == []
    await plain.open("/events")
    await plain.page.get_by_role("heading", name="The database is away").wait_for()
    proxy.pass_on()
    await other.page.get_by_role("heading", name="Deliveries", exact=True).wait_for()
    await plain.page.get_by_role("heading", name="Events", exact=True).wait_for()
    await window.page.get_by_text("live", exact=True).wait_for()
    assert await was_loaded_once(window)
    for each in (other, plain):
        each.forgive("the server responded with a status of 503")


async def test_a_relay_stops_though_pages_are_live_and_they_come_back_with_the_next(
    world: World, chromium: Chromium
) -> None:
    panel = await open_panel(world, {"delivery": {"drain": f"{DRAIN:.0f}s"}})
    window = await live(chromium, panel)
    assert await panel.daemon.terminate(limit=DRAIN) == 0
    await window.page.get_by_text("no answer from the relay").wait_for()
    await open_panel(world, {"admin": {"listen": panel.base.removeprefix("http://")}})
    await window.page.get_by_text("live", exact=True).wait_for()
    window.forgive("net::ERR_CONNECTION_REFUSED")
    window.forgive("net::ERR_INCOMPLETE_CHUNKED_ENCODING")


async def test_who_signs_out_leaves_nothing_behind_in_the_browser(world: World, chromium: Chromium) -> None:
    panel = await open_panel(world)
    await world.application.add_endpoint(world.receiver.url(), description="Nobody else's business")
    window = await live(chromium, panel)
    page = window.page
    for path in ("/endpoints", "/audit"):
        await window.open(path)
    cookies = await page.context.cookies()
    assert [(each["httpOnly"], each["sameSite"]) for each in cookies] == [(True, "Strict")]
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_role("heading", name="Sign in").wait_for()
    for _ in range(3):
        await page.go_back()
        await page.get_by_role("heading", name="Sign in").wait_for()
        assert "Nobody else" not in await page.content()
    assert await page.context.cookies() == []
    # The session is over for the server too, whoever kept its cookie.
    await page.context.add_cookies([{**cookies[0], "url": panel.base, "domain": None, "path": None}])
    await window.open("/endpoints")
    await page.get_by_role("heading", name="Sign in").wait_for()


async def test_no_page_of_the_panel_is_kept_by_the_browser(world: World, chromium: Chromium) -> None:
    panel = await open_panel(world)
    window = await live(chromium, panel)
    kept: dict[str, str] = {}
    window.page.on("response", lambda answer: kept.update({answer.url: answer.headers["cache-control"]}))
    for path in ("/", "/deliveries", "/endpoints", "/events", "/operations", "/alerts", "/audit"):
        await window.open(path)

    async def all_there() -> bool:
        return len(kept) > 7

    await eventually(all_there, "the answers")
    assert {value for url, value in kept.items() if "/static/" not in url} == {"no-store"}
