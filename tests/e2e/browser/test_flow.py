"""Who is woken at night, in a browser, with JavaScript and without: see it fail, mend it, send it again."""

import re

import pytest

from relay.receiver import VerificationError, verify
from tests.support.admin import open_panel
from tests.support.chromium import Chromium, Window
from tests.support.daemon import Sections
from tests.support.receiver import Received, Reply
from tests.support.world import World

ONCE: Sections = {"retry": {"schedule": ["1ms"], "jitter": 0.0}, "breaker": {"enabled": False}}
FAILING = 4
STATES = "select state, count(*)::integer as number from relay.delivery_status group by 1"
with_and_without_javascript = pytest.mark.parametrize("javascript", [True, False], ids=["js", "no-js"])


async def signed_in(world: World, chromium: Chromium, *, javascript: bool, scope: str = "admin") -> Window:
    """Return a window on the panel of a fresh daemon that tries everything twice."""
    panel = await open_panel(world, ONCE)
    window = await chromium.window(panel.base, javascript=javascript)
    await window.sign_in(await panel.link(scope))
    return window


async def go_to(window: Window, name: str) -> None:
    """Follow a link of the frame."""
    await window.page.get_by_role("navigation", name="Pages").get_by_role("link", name=name).click()
    await window.page.get_by_role("heading", name=name, exact=True, level=1).wait_for()


async def make_endpoint(window: Window, url: str, description: str) -> str:
    """Make an endpoint by its form, and return the secret that is shown for it."""
    page = window.page
    await go_to(window, "Endpoints")
    await page.get_by_role("link", name="New endpoint").click()
    await page.get_by_label("URL").fill(url)
    await page.get_by_label("Description").fill(description)
    await page.get_by_role("button", name="Make endpoint").click()
    secret = await page.locator("#secret").inner_text()
    await page.get_by_role("link", name="I have it").click()
    await page.get_by_role("heading", name=description, level=1).wait_for()
    return secret


async def publish(window: Window, payload: str) -> str:
    """Publish an event by the form, and return its id."""
    page = window.page
    await go_to(window, "Events")
    await page.get_by_role("link", name="Publish an event").click()
    await page.get_by_label("Type", exact=True).fill("invoice.paid")
    await page.get_by_label("Payload").fill(payload)
    await page.get_by_role("button", name="Publish").click()
    await page.get_by_role("heading", name="invoice.paid", level=1).wait_for()
    return window.path.rpartition("/")[2]


async def counts(world: World) -> dict[str, int]:
    """Return how many deliveries there are by their state, as the database has it."""
    return {row["state"]: row["number"] for row in await world.application.fetch(STATES)}


def broken_at_first(request: Received) -> Reply:
    return Reply(status=503, body=b"down for maintenance") if request.path == "/broken" else Reply()


@with_and_without_javascript
async def test_what_fails_is_seen_mended_and_sent_again(
    world: World, chromium: Chromium, *, javascript: bool
) -> None:
    world.receiver.respond = broken_at_first
    window = await signed_in(world, chromium, javascript=javascript)
    page = window.page
    await make_endpoint(window, world.receiver.url("/broken"), "Billing")
    event_ids = [await publish(window, f'{{"amount": {number}}}') for number in range(FAILING)]
    await world.daemons[0].wait_for_log("delivery.dead", count=FAILING)

    await go_to(window, "Overview")
    row = page.get_by_role("row").filter(has_text="Billing")
    assert re.search(r"dead.*503.*\b4\b", (await row.inner_text()).replace("\n", " "))
    await row.get_by_role("link", name="Billing").click()
    await page.get_by_role("link", name="Edit").click()
    await page.get_by_label("URL").fill(world.receiver.url("/mended"))
    await page.get_by_role("button", name="Save").click()
    await page.get_by_role("status").get_by_text("Changed: url.").wait_for()

    await go_to(window, "Deliveries")
    await page.get_by_label("State").select_option("dead")
    await page.get_by_role("button", name="Show").click()
    rows = page.get_by_role("row").filter(has_text="invoice.paid")
    assert await rows.count() == FAILING
    await rows.first.get_by_role("button", name="Retry").click()
    await page.get_by_role("status").get_by_text("Will be sent again now.").wait_for()
    await world.receiver.wait_for(lambda: len(mended(world)) == 1, "the one that was retried")
    await world.application.wait_until(
        "select count(*) = 1 from relay.delivery_status where state = 'delivered'"
    )
    assert await counts(world) == {"delivered": 1, "dead": FAILING - 1}

    await page.get_by_role("button", name="Retry all that match").click()
    await page.get_by_text("3 deliveries match").wait_for()
    assert await counts(world) == {"delivered": 1, "dead": FAILING - 1}
    await page.get_by_role("button", name="Retry 3").click()
    await page.locator(".state", has_text="done").wait_for()
    await page.get_by_text("3 of 3 done").wait_for()
    await world.receiver.wait_for(lambda: len(mended(world)) == FAILING, "all that were retried")
    await world.application.wait_until(
        "select count(*) = 4 from relay.delivery_status where state = 'delivered'"
    )
    assert await counts(world) == {"delivered": FAILING}
    assert sorted(each.event_id for each in mended(world)) == sorted(event_ids)

    await window.open(f"/events/{event_ids[0]}")
    await page.get_by_role("link", name="Billing").click()
    await page.get_by_text("Delivered with attempt 3, status 200.").wait_for()
    await page.get_by_text("#2").click()
    await page.get_by_label("Response body of attempt 2").get_by_text("down for maintenance").wait_for()


def mended(world: World) -> list[Received]:
    """Return what came to the address that works."""
    return [each for each in world.receiver.received if each.path == "/mended"]


@with_and_without_javascript
async def test_a_secret_is_changed_and_the_old_one_signs_for_a_while(
    world: World, chromium: Chromium, *, javascript: bool
) -> None:
    window = await signed_in(world, chromium, javascript=javascript)
    page = window.page
    old = await make_endpoint(window, world.receiver.url(), "Billing")
    await page.get_by_role("link", name="Rotate secret").click()
    await page.get_by_role("button", name="Rotate").click()
    new = await page.locator("#secret").inner_text()
    assert new.startswith("whsec_")
    assert new != old
    await page.get_by_text("The old secret signs as well for 1d.").wait_for()
    await page.get_by_role("link", name="I have it").click()
    await page.get_by_role("heading", name="Billing", level=1).wait_for()
    for shown in (await page.content(), await page.get_by_role("main").inner_text()):
        assert new not in shown
        assert old not in shown

    event_id = await publish(window, '{"amount": 1}')
    request = await world.receiver.wait_for_event(event_id)
    for secret in (old, new):
        assert verify(request.body, request.headers, secret).event_id == event_id
    with pytest.raises(VerificationError):
        verify(request.body, request.headers, "whsec_" + "A" * 44)
    kept = await world.application.fetch(
        "select expires_at is not null as ends from relay.endpoint_secret order by id"
    )
    assert [row["ends"] for row in kept] == [True, False]


@with_and_without_javascript
async def test_an_endpoint_waits_and_goes_on(world: World, chromium: Chromium, *, javascript: bool) -> None:
    window = await signed_in(world, chromium, javascript=javascript)
    page = window.page
    await make_endpoint(window, world.receiver.url(), "Billing")
    endpoint = window.path
    await page.get_by_role("button", name="Pause").click()
    await page.get_by_role("status").get_by_text("It is paused").wait_for()
    event_id = await publish(window, '{"amount": 1}')
    await world.application.wait_until(
        "select true from relay.delivery_status where event_id = $1 and state = 'held'", event_id
    )
    assert world.receiver.received == []
    await window.open(endpoint)
    await page.get_by_role("link", name="Resume").click()
    await page.get_by_role("button", name="Resume").click()
    await page.get_by_role("status").get_by_text("It is resumed").wait_for()
    await world.receiver.wait_for_event(event_id)
    await world.application.wait_until(
        "select true from relay.delivery_status where event_id = $1 and state = 'delivered'", event_id
    )
    assert await world.application.fetchval("select state from relay.endpoint") == "active"


async def test_a_test_event_shows_what_came_back(world: World, chromium: Chromium) -> None:
    world.receiver.respond = lambda _: Reply(status=401, body=b"who are you?")
    window = await signed_in(world, chromium, javascript=True)
    page = window.page
    await make_endpoint(window, world.receiver.url(), "Billing")
    await page.get_by_role("button", name="Send test event").click()
    await page.get_by_role("status").get_by_text("was not delivered").wait_for()
    await page.get_by_text("who are you?").wait_for()
    assert [each.attempt for each in world.receiver.received] == [1]


async def test_retry_is_reached_and_pressed_by_keys_alone(world: World, chromium: Chromium) -> None:
    world.receiver.respond = broken_at_first
    window = await signed_in(world, chromium, javascript=True, scope="operate")
    page = window.page
    await world.application.add_endpoint(world.receiver.url("/broken"), description="Billing")
    event_id = await world.application.insert()
    await world.daemons[0].wait_for_log("delivery.dead")
    await world.application.execute("update relay.endpoint set url = $1", world.receiver.url("/mended"))
    await window.open("/deliveries?state=dead")

    await page.keyboard.press("Tab")
    assert await focused(window) == "Skip to the page"
    await page.keyboard.press("Enter")
    names = [await focused(window)]
    while not names[-1].startswith("Retry invoice.paid"):
        await page.keyboard.press("Tab")
        names.append(await focused(window))
        assert len(names) < 40, names
    assert await page.evaluate("document.activeElement.matches(':focus-visible')")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert await page.evaluate(outline) == "solid"
    await page.keyboard.press("Enter")
    await page.get_by_role("status").get_by_text("Will be sent again now.").wait_for()
    await world.application.wait_until(
        "select true from relay.delivery_status where event_id = $1 and state = 'delivered'", event_id
    )
    assert [each.event_id for each in mended(world)] == [str(event_id)]


async def focused(window: Window) -> str:
    """Return what has the focus, by its label or text."""
    name: str = await window.page.evaluate(
        "document.activeElement.ariaLabel || document.activeElement.innerText || document.activeElement.name || ''"
    )
    return name
