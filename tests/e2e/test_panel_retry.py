"""Who is woken at night sees what fails, mends it, and sends it again from the panel."""

import re
from uuid import UUID

from tests.support.admin import Browser, Panel, open_panel
from tests.support.daemon import Sections
from tests.support.pages import flash_of, links_of, read_until, text_of
from tests.support.receiver import Reply
from tests.support.world import World

ONCE: Sections = {"retry": {"schedule": ["1ms"], "jitter": 0.0}, "breaker": {"enabled": False}}


async def make_endpoint(browser: Browser, url: str, **fields: str) -> UUID:
    """Make an endpoint by its form and return its id."""
    await browser.read("/endpoints/new")
    page = await browser.submit("/endpoints", {"url": url, "event_types": "*", "signature": "both", **fields})
    assert "whsec_" in page
    (link,) = links_of(page, "/endpoints/")
    return UUID(link.removeprefix("/endpoints/"))


async def failed(world: World, count: int) -> tuple[Panel, list[str]]:
    """Return a panel, and the events that were given up at the one endpoint there is."""
    panel = await open_panel(world, ONCE)
    world.receiver.respond = lambda _: Reply(status=503, body=b"down for maintenance")
    async with panel.browser(await panel.token()) as browser:
        await make_endpoint(browser, world.receiver.url(), store_response_body="yes", description="Billing")
    event_ids = [str(each) for each in await world.application.insert_all(['{"amount": 7}'] * count)]
    await panel.daemon.wait_for_log("delivery.dead", count=count)
    return panel, event_ids


async def test_what_failed_is_seen_mended_and_sent_again_one_by_one_and_all_at_once(world: World) -> None:
    panel, event_ids = await failed(world, 5)
    async with panel.browser(await panel.token("operate")) as browser:
        overview = await read_until(browser, "/", "Billing")
        assert re.search(r"dead\s.*Billing.*503\s+5\s", text_of(overview), re.DOTALL)

        page = await browser.read("/deliveries?state=dead")
        names = [each.removeprefix("/deliveries/") for each in links_of(page, "/deliveries/")]
        assert sorted(each.split("/")[0] for each in names) == sorted(event_ids)

        page = await browser.read(f"/deliveries/{names[0]}")
        said = text_of(page)
        assert "Given up: every retry of the schedule failed (last: status 503)." in said
        assert "down for maintenance" in said
        assert "X-Webhook-Signature [hidden]" in said
        assert '"amount": 7' in said

        world.receiver.respond = lambda _: Reply()
        page = await browser.submit(f"/deliveries/{names[0]}/retry", {})
        assert flash_of(page) == "Will be sent again now."
        await read_until(browser, f"/deliveries/{names[0]}", "Delivered with attempt 3, status 200.")

        page = await browser.read("/deliveries?state=dead")
        page = await browser.submit("/deliveries", {"change": "retry", "delivery": names[1]})
        assert flash_of(page) == "Will be sent again now."
        await world.receiver.wait_for_event(names[1].split("/")[0], count=3)

        await browser.read("/deliveries?state=dead")
        page = await browser.submit("/operations", {"kind": "retry", "state": "dead"})
        assert "3 deliveries match" in text_of(page)
        assert "Nothing was changed yet." in text_of(page)
        operation = browser.at
        page = await browser.submit(f"{operation}/start", {})
        assert "is started" in flash_of(page)
        page = await read_until(browser, operation, "scheduled 3")
        for event_id in event_ids:
            await world.receiver.wait_for_event(event_id, count=3)
        page = await read_until(browser, "/", "Nothing is failing")


async def test_several_that_are_ticked_are_sent_again_and_the_list_is_shown_as_it_was(world: World) -> None:
    panel, event_ids = await failed(world, 3)
    world.receiver.respond = lambda _: Reply()
    async with panel.browser(await panel.token("operate")) as browser:
        page = await browser.read("/deliveries?state=dead")
        names = [each.removeprefix("/deliveries/") for each in links_of(page, "/deliveries/")]
        fields = [("change", "retry"), ("back", "/deliveries?state=dead"), ("csrf_token", browser.csrf_token)]
        data = [*fields, *(("delivery", name) for name in names)]
        async with browser.client.post("/deliveries", data=data, headers={"Origin": panel.base}) as response:
            page = await response.text()
        assert flash_of(page) == "3 of 3 will be sent again."
        assert str(response.url.relative()) == "/deliveries?state=dead"
    for event_id in event_ids:
        await world.receiver.wait_for_event(event_id, count=3)


async def test_a_delivery_that_is_given_up_is_not_sent(world: World) -> None:
    panel, _ = await failed(world, 1)
    async with panel.browser(await panel.token("operate")) as browser:
        (path,) = links_of(await browser.read("/deliveries?state=dead"), "/deliveries/")
        page = await browser.read(f"{path}/discard")
        assert "Give this delivery up?" in text_of(page)
        page = await browser.submit(f"{path}/discard", {})
        assert flash_of(page) == "Given up."
        assert "given up by an operator" in text_of(page).lower()
        assert "Nothing is failing" in text_of(await browser.read("/"))


async def test_all_that_match_are_given_up_only_after_the_page_that_counts_them(world: World) -> None:
    panel, _ = await failed(world, 3)
    async with panel.browser(await panel.token("operate")) as browser:
        await browser.read("/deliveries?state=dead")
        page = await browser.submit("/operations", {"kind": "discard", "state": "dead", "status_code": "503"})
        assert "3 deliveries match" in text_of(page)
        assert len(links_of(await browser.read("/deliveries?state=dead"), "/deliveries/")) == 3
        path = links_of(page, "/operations/")
        assert path == []
        await browser.submit(f"/operations/{_last_number(page)}/start", {})
        await read_until(browser, f"/operations/{_last_number(page)}", "discarded 3")


async def test_an_operation_can_be_paused_resumed_and_cancelled_and_says_what_is_not_possible(
    world: World,
) -> None:
    panel, _ = await failed(world, 2)
    async with panel.browser(await panel.token("operate")) as browser:
        await browser.read("/deliveries")
        page = await browser.submit("/operations", {"kind": "retry", "state": "dead"})
        path = f"/operations/{_last_number(page)}"
        page = await browser.submit(f"{path}/pause", {}, status=409)
        assert "is prepared, so it cannot be paused" in text_of(page)
        page = await browser.submit(f"{path}/cancel", {})
        assert "is cancelled" in flash_of(page)
        assert text_of(page).count("cancelled")
        await browser.submit(f"{path}/start", {}, status=409)
        listed = text_of(await browser.read("/operations"))
        assert "cancelled" in listed
        assert "0 of 2" in listed
        await browser.submit(f"{path}/explode", {}, status=404)


async def test_what_failed_at_an_endpoint_that_is_stopped_stays_in_sight(panel: Panel) -> None:
    world = panel.world
    world.receiver.respond = lambda _: Reply(status=500)
    endpoint_id = await world.application.add_endpoint(world.receiver.url(), description="Stopped")
    await world.application.insert()
    await panel.daemon.wait_for_log("attempt.failed")
    async with panel.browser(await panel.token("operate")) as browser:
        await read_until(browser, "/", "retrying Stopped")
        await browser.submit(f"/endpoints/{endpoint_id}/pause", {})
        page = await read_until(browser, "/", "held Stopped")
        assert "endpoint paused" in text_of(page)
        assert "Retry all" not in text_of(page)


async def test_what_nothing_matches_is_said_and_leaves_no_operation(panel: Panel) -> None:
    async with panel.browser(await panel.token("operate")) as browser:
        page = await browser.submit("/operations", {"kind": "retry", "state": "dead"})
        assert flash_of(page).startswith("No delivery matches")
        assert "No operations yet" in text_of(await browser.read("/operations"))
        page = await browser.submit("/operations", {"kind": "retry", "state": "delivered"}, status=422)
        assert "Choose a state first" in text_of(page)
        page = await browser.submit("/deliveries", {"change": "retry"})
        assert flash_of(page) == "Nothing was selected, so nothing was changed."


async def test_what_was_delivered_is_sent_once_more(panel: Panel) -> None:
    world = panel.world
    await world.application.add_endpoint(world.receiver.url())
    event_id = await world.application.insert()
    await panel.daemon.wait_for_log("delivery.delivered")
    async with panel.browser(await panel.token("operate")) as browser:
        page = await browser.submit("/operations", {"kind": "replay", "state": "delivered"})
        assert "1 delivery matches" in text_of(page)
        await browser.submit(f"/operations/{_last_number(page)}/start", {})
        await world.receiver.wait_for_event(event_id, count=2)


def _last_number(page: str) -> str:
    found = re.search(r"/operations/(\d+)", page)
    assert found
    return found[1]
