"""What holds for each page as it is drawn: everybody can use it, on a phone too, and it loads little and only ours."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from tests.support.admin import Panel, open_panel
from tests.support.axe import violations
from tests.support.chromium import Chromium, Window
from tests.support.database import connected
from tests.support.showcase import Showcase, furnish
from tests.support.world import World

BUDGET = 100 * 1024
NOBODY = "00000000-0000-4000-8000-00000000dead"
BEYOND = "document.documentElement.scrollWidth - window.innerWidth"


def pages_of(show: Showcase) -> list[str]:
    """Return the path of every page that is read, and of those that ask or say that something went wrong."""
    return [
        "/",
        "/deliveries",
        "/deliveries?state=dead",
        "/deliveries?type=nobody.has.this",
        "/deliveries?since=yesterday-ish",
        f"/deliveries/{show.dead}",
        f"/deliveries/{show.delivered}",
        f"/deliveries/{show.dead}/discard",
        "/endpoints",
        "/endpoints/new",
        f"/endpoints/{show.endpoint}",
        f"/endpoints/{show.failing}",
        f"/endpoints/{show.disabled}",
        f"/endpoints/{show.endpoint}/edit",
        f"/endpoints/{show.endpoint}/rotate-secret",
        f"/endpoints/{show.endpoint}/remove",
        f"/endpoints/{show.paused}/resume",
        "/events",
        "/events/new",
        f"/events/{show.event}",
        f"/events/{show.event}/cancel",
        f"/events/{NOBODY}",
        "/operations",
        f"/operations/{show.prepared}",
        f"/operations/{show.working}",
        "/alerts",
        "/audit",
        "/sending/pause",
        "/nowhere",
    ]


@dataclass(frozen=True, slots=True)
class Shown:
    """A panel with something to look at."""

    panel: Panel
    show: Showcase


@pytest.fixture
async def shown(world: World) -> Shown:
    async with connected(world.dsn) as connection:
        show = await furnish(connection)
    return Shown(await open_panel(world, {"alerts": {"min_success_ratio": 0.0}}), show)


async def each_page(window: Window, shown: Shown) -> AsyncIterator[str]:
    """Open one page after the other, first those for which nobody is signed in; yields what is looked at."""
    link = await shown.panel.link()
    await window.open("/sign-in")
    yield "/sign-in"
    await window.page.get_by_label("Token").fill("relay_wrong")
    await window.page.get_by_role("button", name="Sign in").click()
    await window.page.get_by_role("alert").wait_for()
    yield "/sign-in, with a wrong token"
    await window.page.goto(link)
    yield "/sign-in with a link"
    await window.sign_in(link)
    for path in pages_of(shown.show):
        await window.open(path)
        yield path
    async for each in pages_by_a_press(window, shown.show):
        yield each
    window.forgive("Failed to load resource: the server responded with a status of 4")


async def pages_by_a_press(window: Window, show: Showcase) -> AsyncIterator[str]:
    """Open those that only the press of a button leads to."""
    page = window.page
    await window.open("/endpoints/new")
    await page.get_by_label("URL").fill("ftp://example.com/")
    await page.get_by_role("button", name="Make endpoint").click()
    await page.get_by_role("alert").wait_for()
    yield "/endpoints, with mistakes"
    await window.open(f"/endpoints/{show.endpoint}/rotate-secret")
    await page.get_by_role("button", name="Rotate").click()
    await page.locator("#secret").wait_for()
    yield "/endpoints/…/rotate-secret, the secret"
    await window.open("/sending/pause")
    await page.get_by_role("button", name="Pause").click()
    await page.get_by_text("Sending is paused.").first.wait_for()
    yield "/, paused"


async def test_axe_finds_nothing_on_any_page_light_or_dark(shown: Shown, chromium: Chromium) -> None:
    window = await chromium.window(shown.panel.base)
    found, looked_at = [], 0
    async for name in each_page(window, shown):
        found += [(name, "light", *each) for each in await violations(window.page)]
        await window.page.emulate_media(color_scheme="dark")
        found += [(name, "dark", *each) for each in await violations(window.page, colours_only=True)]
        await window.page.emulate_media(color_scheme="light")
        looked_at += 1
    assert found == []
    assert looked_at >= 30


async def test_axe_finds_nothing_where_somebody_may_not_go(shown: Shown, chromium: Chromium) -> None:
    window = await chromium.window(shown.panel.base, phone=True)
    await window.sign_in(await shown.panel.link("read"))
    await window.open("/endpoints/new")
    await window.page.get_by_role("heading", name="Your token may not do this").wait_for()
    assert await violations(window.page) == []
    await window.open("/deliveries?state=dead")
    assert await window.page.get_by_role("button", name="Retry").count() == 0
    assert await violations(window.page) == []
    window.forgive("the server responded with a status of 403")


async def test_no_page_is_wider_than_a_phone(shown: Shown, chromium: Chromium) -> None:
    window = await chromium.window(shown.panel.base, phone=True)
    wide = {}
    async for name in each_page(window, shown):
        beyond = await window.page.evaluate(BEYOND)
        if beyond > 0:
            wide[name] = beyond
    assert wide == {}


async def test_an_empty_panel_says_what_belongs_there(panel: Panel, chromium: Chromium) -> None:
    window = await chromium.window(panel.base, phone=True)
    await window.sign_in(await panel.link())
    for path, text in (
        ("/", "Nothing is failing"),
        ("/deliveries", "No delivery matches"),
        ("/endpoints", "No endpoints yet"),
        ("/events", "No events yet"),
        ("/operations", "No operations yet"),
        ("/alerts", "No alerts"),
        ("/audit", "token"),
    ):
        await window.open(path)
        await window.page.get_by_text(text).first.wait_for()
        assert await window.page.evaluate(BEYOND) <= 0


async def test_a_first_page_loads_little_and_everything_from_the_panel(
    shown: Shown, chromium: Chromium
) -> None:
    window = await chromium.window(shown.panel.base)
    await window.sign_in(await shown.panel.link())
    fresh = await chromium.another(window.page.context, shown.panel.base)
    session = await fresh.page.context.new_cdp_session(fresh.page)
    await session.send("Network.enable")
    await session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    sizes: dict[str, int] = {}
    session.on("Network.loadingFinished", lambda e: sizes.update({e["requestId"]: e["encodedDataLength"]}))
    await fresh.page.goto(shown.panel.base + "/", wait_until="load")
    await fresh.page.get_by_text("live", exact=True).wait_for()
    files = [each for each in fresh.requests if "/static/" in each.url]
    assert len(files) >= 4
    assert len(sizes) >= len(files) + 1
    assert sum(sizes.values()) <= BUDGET
