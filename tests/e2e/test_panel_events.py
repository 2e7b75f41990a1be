"""Events are found, published and withdrawn in the panel; and the lists lead on page by page."""

import re
from uuid import uuid4

from tests.support.admin import Panel
from tests.support.pages import flash_of, links_of, read_until, text_of


async def test_an_event_is_published_by_its_form_and_seen_through(panel: Panel) -> None:
    world = panel.world
    await world.application.add_endpoint(world.receiver.url())
    fields = {
        "event_type": "invoice.paid",
        "payload": '{"id": 42,  "kept": "as it is"}',
        "ordering_key": "invoice:42",
        "dedupe_key": "once",
        "sequence": "7",
    }
    async with panel.browser(await panel.token("operate")) as browser:
        assert "relay.test" in await browser.read("/events/new")
        page = await browser.submit("/events", fields)
        assert flash_of(page) == "The event is published; one endpoint will get it."
        event = browser.at
        page = await read_until(browser, event, "Delivered with attempt 1, status 200.")
        assert "invoice:42" in text_of(page)
        async with browser.client.get(f"{event}/payload") as response:
            assert await response.text() == fields["payload"]
            assert response.headers["Content-Disposition"].startswith("attachment")
            assert response.content_type == "application/octet-stream"
        page = await browser.submit("/events", fields)
        assert "the dedupe key was used before" in flash_of(page)
        assert browser.at == event
        for found in ("type=invoice.*", "ordering_key=invoice:42", "dedupe_key=once", "since=1h"):
            assert event in links_of(await browser.read(f"/events?{found}"), "/events/"), found
        for missed in ("type=order.paid", "ordering_key=other", "until=1h"):
            assert event not in links_of(await browser.read(f"/events?{missed}"), "/events/"), missed
        await browser.read(f"/events?id={event.rpartition('/')[2]}")
        assert browser.at == event


async def test_what_is_wrong_with_an_event_stands_beside_its_field(panel: Panel) -> None:
    async with panel.browser(await panel.token("operate")) as browser:
        for field, value, said in (
            ("event_type", "a..b", "event_type"),
            ("payload", "{", "mend the fields that are marked"),
            ("sequence", "x", "is no whole number"),
            ("endpoint_id", "x", "is no id"),
            ("deliver_at", "soon", "is no time"),
        ):
            fields = {"event_type": "a", "payload": "{}", field: value}
            page = await browser.submit("/events", fields, status=422)
            assert said in text_of(page), field
        page = await browser.submit("/events", {"event_type": "a", "payload": "{}"})
        assert "nobody will get it" in flash_of(page)
        await read_until(browser, browser.at, "unrouted")


async def test_an_event_is_withdrawn_only_after_it_was_asked_whether(panel: Panel) -> None:
    world = panel.world
    await world.application.add_endpoint(world.receiver.url(), state="paused")
    event_id = await world.application.insert()
    async with panel.browser(await panel.token("operate")) as browser:
        page = await browser.read(f"/events/{event_id}/cancel")
        assert "Withdraw this event?" in text_of(page)
        page = await browser.submit(f"/events/{event_id}/cancel", {})
        assert flash_of(page) == "The event is withdrawn."
        page = await browser.submit(f"/events/{event_id}/cancel", {})
        assert flash_of(page) == "The event was withdrawn before."
        assert "withdrawn" in text_of(await browser.read("/events"))


async def test_lists_lead_to_older_pages_and_back_with_their_filters(panel: Panel) -> None:
    event_ids = await panel.world.application.insert_all(["{}"] * 120, event_type="many")
    await panel.world.application.insert(event_type="other")
    async with panel.browser(await panel.token("read")) as browser:
        path, pages = "/events?type=many", []
        while path:
            page = await browser.read(path)
            pages.append(links_of(page, "/events/"))
            older = re.search(r'rel="next" href="([^"]+)"', page)
            path = older[1].replace("&amp;", "&") if older else ""
        assert [len(each) for each in pages] == [50, 50, 20]
        assert {each.removeprefix("/events/") for page in pages for each in page} == set(map(str, event_ids))
        newer = re.search(r'rel="prev" href="([^"]+)"', page)
        assert newer
        back = await browser.read(newer[1].replace("&amp;", "&"))
        assert links_of(back, "/events/") == pages[1]
        newer = re.search(r'rel="prev" href="([^"]+)"', back)
        assert newer
        assert newer[1] == "/events?type=many"


async def test_deliveries_are_filtered_by_their_address(panel: Panel) -> None:
    world = panel.world
    endpoint_id = await world.application.add_endpoint(world.receiver.url())
    await world.application.insert(event_type="a.b")
    await panel.daemon.wait_for_log("delivery.delivered")
    async with panel.browser(await panel.token("read")) as browser:
        for found in (
            "state=delivered",
            f"endpoint={endpoint_id}",
            "type=a.*",
            "tenant=",
            "since=1h",
            "status_code=200",
            "until=2099-01-01",
        ):
            assert links_of(await browser.read(f"/deliveries?{found}"), "/deliveries/"), found
        for missed in (
            "state=dead",
            f"endpoint={uuid4()}",
            "type=b",
            "tenant=x",
            "until=2020-01-01T00:00",
            "status_code=500",
            "reason=gone",
        ):
            page = await browser.read(f"/deliveries?{missed}")
            assert "No delivery matches" in text_of(page), missed
        for wrong in ("state=lost", "endpoint=x", "since=soon", "status_code=7", "cursor=x", "type=%00"):
            page = await browser.read(f"/deliveries?{wrong}", status=422)
            assert 'role="alert"' in page, wrong


async def test_sending_is_paused_and_resumed_and_every_overview_says_so(panel: Panel) -> None:
    world = panel.world
    await world.application.add_endpoint(world.receiver.url())
    async with panel.browser(await panel.token("operate")) as browser:
        assert "Pause sending for everything?" in text_of(await browser.read("/sending/pause"))
        page = await browser.submit("/sending/pause", {"all": "yes"})
        assert flash_of(page) == "Sending is paused."
        assert "Sending is paused. Deliveries wait" in text_of(page)
        event_id = await world.application.insert()
        await read_until(browser, f"/events/{event_id}", "held sending paused")
        page = await browser.submit("/sending/resume", {"all": "yes"})
        assert flash_of(page) == "Sending goes on."
        await world.receiver.wait_for_event(event_id)


async def test_the_audit_says_who_did_what(panel: Panel) -> None:
    endpoint_id = await panel.world.application.add_endpoint(panel.world.receiver.url())
    async with panel.browser(await panel.token()) as browser:
        await browser.read(f"/endpoints/{endpoint_id}")
        await browser.submit(f"/endpoints/{endpoint_id}/pause", {})
        said = text_of(await browser.read("/audit?action=endpoint.&actor=panel:test"))
        assert "endpoint.pause" in said
        assert str(endpoint_id) in said
        assert "Nothing matches" in text_of(await browser.read("/audit?actor=nobody"))
        await browser.read("/audit?since=soon", status=422)


async def test_alerts_that_last_stand_before_those_that_are_over(panel: Panel) -> None:
    await panel.world.application.execute(
        "insert into relay.alert (alert, summary, cleared_at) values ('old_trouble', 'It was bad.', now()),"
        " ('new_trouble', 'It is bad.', null)"
    )
    async with panel.browser(await panel.token("read")) as browser:
        said = text_of(await browser.read("/alerts"))
        assert said.index("It is bad.") < said.index("It was bad.")
        said = text_of(await browser.read("/"))
        assert "new trouble It is bad." in said
        assert "It was bad." not in said
