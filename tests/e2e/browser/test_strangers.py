"""Nothing that a stranger wrote is anything but text in a browser: no script runs, none is even stopped."""

import json
from collections.abc import AsyncIterator
from urllib.parse import quote

from playwright.async_api import Page

from tests.support.admin import open_panel
from tests.support.chromium import Chromium, Window
from tests.support.daemon import Sections
from tests.support.strangers import ALL, TEXTS, Strange, answer_with_texts, write_everywhere, write_into_books
from tests.support.world import World

ONCE: Sections = {"retry": {"schedule": ["1ms"], "jitter": 0.0}, "breaker": {"enabled": False}}
# Our own pages have none of these. What strangers wrote must not have become one.
ALIEN = """
() => [...document.querySelectorAll("*")].filter((each) =>
  ["IFRAME", "OBJECT", "EMBED", "BASE", "STYLE", "IMG", "MATH"].includes(each.tagName)
  || (each.tagName === "SCRIPT" && !each.src.startsWith(location.origin + "/static/"))
  || [...each.attributes].some(({ name, value }) =>
    name.startsWith("on") || name.includes("hx-on") || name === "style" || name === "srcdoc"
    || (["href", "src", "action", "formaction", "xlink:href"].includes(name) && /^\\s*javascript:/i.test(value)))
).map((each) => each.outerHTML.slice(0, 200))
"""
FIELDS = (
    "type",
    "endpoint",
    "tenant",
    "reason",
    "since",
    "text",
    "actor",
    "action",
    "object",
    "ordering_key",
)


async def test_texts_of_strangers_are_text_on_every_page(world: World, chromium: Chromium) -> None:
    window, written = await everywhere(world, chromium)
    found = {}
    async for path in pages(window, written):
        if alien := await window.page.evaluate(ALIEN):
            found[path] = alien
    assert found == {}


async def everywhere(world: World, chromium: Chromium) -> tuple[Window, list[Strange]]:
    """Return a window on a panel full of strangers' texts, for somebody whose token is called like one."""
    answer_with_texts(world.receiver)
    panel = await open_panel(world, ONCE)
    written = [await write_everywhere(world.application, world.receiver, text) for text in (*TEXTS, ALL)]
    await panel.daemon.wait_for_log("delivery.dead", count=len(written))
    for each in written:
        await write_into_books(world.application, each)
    made = await world.relay("token", "create", ALL[:100], "--scope", "admin", "-o", "json")
    window = await chromium.window(panel.base)
    await window.open("/sign-in")
    await window.page.get_by_label("Token").fill(made["secret"])
    await window.page.get_by_role("button", name="Sign in").click()
    await window.page.get_by_role("heading", name="Overview", exact=True).wait_for()
    return window, written


async def pages(window: Window, written: list[Strange]) -> AsyncIterator[str]:
    """Open every page that shows something of strangers."""
    async with window.page.expect_request("**/live"):
        await window.open("/")
    await window.page.get_by_text("live", exact=True).wait_for()
    yield "/"
    for path in (
        *("/deliveries", "/deliveries?state=dead", "/endpoints", "/events", "/operations", "/operations/1"),
        *("/operations/2", "/alerts", "/audit"),
    ):
        await window.open(path)
        yield path
    for each in written:
        for path in (
            f"/deliveries/{each.delivery}",
            f"/endpoints/{each.endpoint_id}",
            f"/endpoints/{each.endpoint_id}/edit",
            f"/events/{each.event_id}",
        ):
            await window.open(path)
            yield path
    for path in questions(written[-1]):
        await window.open(path)
        yield path
    async for path in searches(window):
        yield path


def questions(last: Strange) -> tuple[str, ...]:
    """Return the pages that ask before something is done."""
    endpoint = f"/endpoints/{last.endpoint_id}"
    return (
        f"/deliveries/{last.delivery}/discard",
        *(f"{endpoint}/{each}" for each in ("resume", "rotate-secret", "remove")),
        f"/events/{last.event_id}/cancel",
    )


async def searches(window: Window) -> AsyncIterator[str]:
    """Open addresses that somebody was sent."""
    for text in (TEXTS[4], TEXTS[6], TEXTS[13], TEXTS[18]):
        said = quote(text, safe="")
        for path in (
            *(f"/{page}?{'&'.join(f'{name}={said}' for name in FIELDS)}" for page in ("deliveries", "audit")),
            f"/events?ordering_key={said}&dedupe_key={said}&tenant={said}",
            f"/endpoints?text={said}&tenant={said}",
            f"/deliveries?cursor={said}&state={said}",
            f"/sign-in?code={said}&next={said}",
            f"/{said}",
            f"/endpoints/{said}",
        ):
            await window.open(path)
            yield path
    window.forgive("Failed to load resource: the server responded with a status of 4")


async def test_they_are_shown_as_they_are_and_what_misleads_is_spelt_out(
    world: World, chromium: Chromium
) -> None:
    window, written = await everywhere(world, chromium)
    for each in written[:-1]:
        await window.open(f"/deliveries/{each.delivery}")
        shown = await text_of(window.page)
        wanted = each.text
        for hidden in "\u202e\u2066\u200b\ufeff":
            wanted = wanted.replace(hidden, f"\\u{ord(hidden):04x}")
            assert hidden not in shown
        assert wanted in shown
        await window.open(f"/endpoints/{each.endpoint_id}/edit")
        assert await window.page.get_by_label("Description").input_value() == each.text
        metadata = json.loads(await window.page.get_by_label("Metadata").input_value())
        assert metadata == {each.text: each.text}


async def text_of(page: Page) -> str:
    """Return what is written on a page, closed parts included."""
    text: str = await page.evaluate("document.body.textContent")
    return text


async def test_texts_that_come_in_later_are_text_too(world: World, chromium: Chromium) -> None:
    window, written = await everywhere(world, chromium)
    panel = window.base
    await window.open("/")
    await window.page.get_by_text("live", exact=True).wait_for()
    # A page that looks again by itself, for as long as its delivery has not ended.
    world.receiver.hold()
    await world.application.execute(
        "update relay.delivery set state = 'pending', reason = null, ended_at = null, next_attempt_at = now()"
        " where endpoint_id = $1",
        written[-1].endpoint_id,
    )
    await world.application.change_endpoint(written[-1].endpoint_id, url=world.receiver.url())
    await world.application.execute("delete from relay.pause")
    event = await chromium.another(window.page.context, panel)
    async with event.page.expect_response(lambda answer: "hx-request" in answer.request.headers):
        await event.open(f"/events/{written[-1].event_id}")
    assert await event.page.evaluate(ALIEN) == []
    await world.application.execute(
        "insert into relay.alert (alert, summary) values ('later', $1)", "later " + ALL
    )
    await window.page.get_by_text("later <script>").wait_for()
    assert await window.page.evaluate(ALIEN) == []
    world.receiver.release()
