"""Endpoints are made, changed, tried, stopped and removed in the panel."""

from uuid import UUID

from tests.e2e.test_panel_retry import make_endpoint
from tests.support.admin import Panel
from tests.support.pages import flash_of, links_of, read_until, text_of
from tests.support.receiver import Reply


async def test_what_is_wrong_with_an_endpoint_stands_beside_its_field_and_nothing_is_lost(
    panel: Panel,
) -> None:
    wrong = {
        "url": "https://127.0.0.1:99999/hook",
        "signature": "both",
        "description": "Mine",
        "event_types": "a b..c",
        "timeout": "10h",
        "rate_limit": "fast",
        "max_in_flight": "-1",
        "retry_schedule": "5s, soon",
        "headers": "Content-Length: 5",
        "filter": "[1]",
        "metadata": "{",
    }
    async with panel.browser(await panel.token()) as browser:
        await browser.read("/endpoints/new")
        page = await browser.submit("/endpoints", wrong, status=422)
        said = text_of(page)
        for part in (
            "Nothing was saved: mend the fields that are marked.",
            "'b..c' is no pattern of event types",
            "timeout must be more than 0 and at most 5m",
            "'fast' is no number",
            "max_in_flight must be 1 or more",
            "'soon' is not a duration",
            "it is not a JSON object",
            "it is not JSON",
            "Content-Length",
        ):
            assert part in said
        assert page.count('aria-invalid="true"') == 9
        assert 'value="Mine"' in page
        assert "No endpoints yet" in text_of(await browser.read("/endpoints"))


async def test_a_url_that_leads_inside_is_refused_with_what_to_do(panel: Panel) -> None:
    async with panel.browser(await panel.token()) as browser:
        for url in (
            "http://169.254.169.254/latest",
            "ftp://example.com/",
            "https://user:pw@example.com/",
            "x",
        ):
            page = await browser.submit("/endpoints", {"url": url, "event_types": "*"}, status=422)
            assert 'class="error"' in page, url


async def test_an_endpoint_is_made_with_all_its_fields_and_its_secret_is_shown_once(panel: Panel) -> None:
    async with panel.browser(await panel.token()) as browser:
        fields = {
            "description": "Ledger",
            "event_types": "invoice.*\norder.paid",
            "signature": "standard",
            "timeout": "5s",
            "rate_limit": "12.5",
            "max_in_flight": "7",
            "retry_schedule": "5s, 1m",
            "headers": "X-Team: billing",
            "filter": '{"currency": "EUR"}',
            "metadata": '{"owner": "anna"}',
            "ordered": "yes",
        }
        endpoint_id = await make_endpoint(browser, panel.world.receiver.url(), **fields)
        page = await browser.read(f"/endpoints/{endpoint_id}")
        said = text_of(page)
        for part in (
            "Ledger",
            "invoice.*",
            "order.paid",
            "standard",
            "5s, 1m",
            "X-Team: billing",
            "12.5 a second",
        ):
            assert part in said
        assert '{"currency":"EUR"}' in said
        assert "whsec_" not in page
        assert "not kept" in said
        edit = await browser.read(f"/endpoints/{endpoint_id}/edit")
        assert "whsec_" not in edit
        page = await browser.submit(
            f"/endpoints/{endpoint_id}/edit",
            {**fields, "url": panel.world.receiver.url("/other"), "timeout": ""},
        )
        assert flash_of(page) == "Changed: url, timeout. It takes effect within a second."
        await browser.read(f"/endpoints/{endpoint_id}/edit")
        page = await browser.submit(
            f"/endpoints/{endpoint_id}/edit",
            {**fields, "url": panel.world.receiver.url("/other"), "timeout": ""},
        )
        assert flash_of(page).startswith("Nothing was changed")
        page = await browser.submit(
            f"/endpoints/{endpoint_id}/edit", {**fields, "url": "https://10.0.0.1/"}, status=422
        )
        assert 'value="https://10.0.0.1/"' in page


async def test_a_test_event_shows_what_came_back(panel: Panel) -> None:
    async with panel.browser(await panel.token()) as browser:
        endpoint_id = await make_endpoint(browser, panel.world.receiver.url(), store_response_body="yes")
        page = await browser.submit(f"/endpoints/{endpoint_id}/test", {})
        assert flash_of(page) == "The test event was delivered."
        assert browser.at.endswith(f"/{endpoint_id}")
        panel.world.receiver.respond = lambda _: Reply(status=401, body=b"bad signature")
        page = await browser.submit(f"/endpoints/{endpoint_id}/test", {})
        assert flash_of(page).startswith("The test event was not delivered")
        assert "bad signature" in text_of(page)


async def test_a_paused_endpoint_is_resumed_with_what_waited_or_without_it(panel: Panel) -> None:
    world = panel.world
    async with panel.browser(await panel.token()) as browser:
        endpoint_id = await make_endpoint(browser, world.receiver.url())
        await browser.read(f"/endpoints/{endpoint_id}")
        for choice, arrives in (("yes", True), ("no", False)):
            page = await browser.submit(f"/endpoints/{endpoint_id}/pause", {})
            assert flash_of(page) == "It is paused: its deliveries wait."
            await world.application.wait_until(
                "select state = 'paused' from relay.endpoint where id = $1", endpoint_id
            )
            event_id = await world.application.insert()
            await read_until(browser, f"/events/{event_id}", "held endpoint paused")
            await browser.read(f"/endpoints/{endpoint_id}/resume")
            page = await browser.submit(f"/endpoints/{endpoint_id}/resume", {"catch_up": choice})
            if arrives:
                assert flash_of(page) == "It is resumed: what waited is sent now."
                await world.receiver.wait_for_event(event_id)
            else:
                assert flash_of(page) == "It is resumed; 1 deliveries that waited were given up."
                await read_until(browser, f"/deliveries/{event_id}/{endpoint_id}", "Given up by an operator.")


async def test_a_secret_is_rotated_and_the_new_one_shown_this_once(panel: Panel) -> None:
    async with panel.browser(await panel.token()) as browser:
        endpoint_id = await make_endpoint(browser, panel.world.receiver.url())
        path = f"/endpoints/{endpoint_id}/rotate-secret"
        await browser.read(path)
        page = await browser.submit(path, {"overlap": "1h"})
        assert "whsec_" in page
        assert "The old secret signs as well for 1h." in text_of(page)
        page = await browser.submit(path, {"overlap": "0s"})
        assert "The old secret signs no more." in text_of(page)
        page = await browser.submit(path, {"overlap": "soon"}, status=422)
        assert "'soon' is not a duration" in text_of(page)
        page = await browser.submit(path, {"overlap": "0s", "secret": "password"}, status=422)
        assert 'role="alert"' in page


async def test_an_endpoint_is_removed_only_after_it_was_asked_whether(panel: Panel) -> None:
    async with panel.browser(await panel.token()) as browser:
        endpoint_id = await make_endpoint(browser, panel.world.receiver.url("/away"))
        page = await browser.read(f"/endpoints/{endpoint_id}/remove")
        assert "This cannot be taken back" in text_of(page)
        page = await browser.submit(f"/endpoints/{endpoint_id}/remove", {})
        assert "is removed" in flash_of(page)
        page = await browser.read(f"/endpoints/{endpoint_id}", status=404)
        assert "was removed on" in text_of(page)


async def test_endpoints_are_found_by_state_and_text_and_show_how_they_do(panel: Panel) -> None:
    world = panel.world
    world.receiver.respond = lambda request: Reply(status=500 if request.path == "/bad" else 200)
    good = await world.application.add_endpoint(world.receiver.url("/good"), description="Good one")
    bad = await world.application.add_endpoint(world.receiver.url("/bad"), description="Bad one")
    await world.application.insert()
    await panel.daemon.wait_for_log("attempt.failed")
    await panel.daemon.wait_for_log("delivery.delivered")
    async with panel.browser(await panel.token("read")) as browser:
        page = await browser.read("/endpoints")
        assert {UUID(each.removeprefix("/endpoints/")) for each in links_of(page, "/endpoints/")} == {
            good,
            bad,
        }
        assert "100%" in text_of(page)
        assert "0.0%" in text_of(page)
        assert "Good one" not in text_of(await browser.read("/endpoints?text=BAD"))
        assert "No endpoint matches" in text_of(await browser.read("/endpoints?state=paused"))
        said = text_of(await browser.read(f"/endpoints/{bad}"))
        assert "0 delivered 1 failed" in said
        assert "retrying" in said
