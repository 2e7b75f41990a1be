"""What a token may not do is neither offered nor done; of other tenants it sees nothing."""

import re
from uuid import UUID, uuid4

import pytest

from relay.admin.pages import ROUTES
from tests.support.admin import Browser, Panel
from tests.support.pages import links_of, targets_of, text_of
from tests.support.receiver import Reply

PLACES = {"number": "1", "action": "start", "key": "1", "version": "x", "name": "x"}


def filled(path: str) -> str:
    """Return the path of a route with something in each of its places."""
    return re.sub(r"\{(\w+)\}", lambda found: PLACES.get(found[1], str(uuid4())), path)


async def actions_on(browser: Browser, paths: list[str]) -> set[str]:
    """Return where all forms and buttons of these pages lead, but for those every page has."""
    targets: set[str] = set()
    for path in paths:
        page = await browser.read(path)
        targets |= {each for each in targets_of(page) if each}
        targets |= set(re.findall(r'class="button[^"]*" href="([^"]+)"', page))
    return targets - {"/sign-out", "/deliveries", "/endpoints", "/events", "/audit"}


@pytest.mark.parametrize("scope", ["read", "operate"])
async def test_every_route_that_needs_more_is_refused(panel: Panel, scope: str) -> None:
    order = ["read", "operate", "admin"]
    beyond = [each for each in ROUTES if each.scope in order[order.index(scope) + 1 :]]
    assert len(beyond) > 5
    async with panel.browser(await panel.token(scope)) as browser:
        await browser.read("/")
        for route in beyond:
            path = filled(route.path)
            page = await (
                browser.read(path, status=403)
                if route.method == "GET"
                else browser.submit(path, {}, status=403)
            )
            assert "Your token may not do this" in text_of(page), route.path
            assert f"This needs the scope {route.scope}" in text_of(page)


async def test_no_route_but_signing_in_answers_somebody_unknown(panel: Panel) -> None:
    async with panel.client() as client:
        for route in ROUTES:
            path = filled(route.path)
            method = client.get if route.method == "GET" else client.post
            async with method(path, allow_redirects=False, headers={"Origin": panel.base}) as response:
                if route.path in {"/sign-in", "/static/{version}/{name}"}:
                    assert response.status != 403
                elif route.method == "GET":
                    assert response.status == 303
                    assert response.headers["Location"].startswith("/sign-in?next=")
                else:
                    assert response.status == 401, path


async def test_what_a_token_may_not_do_is_not_offered(panel: Panel) -> None:
    world = panel.world
    world.receiver.respond = lambda _: Reply(status=500)
    endpoint_id = await world.application.add_endpoint(world.receiver.url())
    event_id = await world.application.insert()
    await panel.daemon.wait_for_log("attempt.failed")
    paths = [
        "/",
        "/deliveries?state=retrying",
        f"/deliveries/{event_id}/{endpoint_id}",
        "/endpoints",
        f"/endpoints/{endpoint_id}",
        "/events",
        f"/events/{event_id}",
    ]
    async with panel.browser(await panel.token("read")) as browser:
        seen = await actions_on(browser, paths)
        assert {each for each in seen if not each.endswith("/payload")} == set()
    async with panel.browser(await panel.token("operate")) as browser:
        offered = await actions_on(browser, paths)
        assert f"/deliveries/{event_id}/{endpoint_id}/retry" in offered
        assert f"/endpoints/{endpoint_id}/pause" in offered
        assert f"/endpoints/{endpoint_id}/remove" not in offered
        assert "/endpoints/new" not in offered
    async with panel.browser(await panel.token("admin")) as browser:
        offered = await actions_on(browser, paths)
        assert {f"/endpoints/{endpoint_id}/remove", "/endpoints/new"} <= offered


async def test_a_tenants_token_sees_its_own_alone(panel: Panel) -> None:
    world, application = panel.world, panel.world.application
    world.receiver.respond = lambda _: Reply(status=500)
    ids: dict[str, tuple[UUID, UUID]] = {}
    for tenant in ("acme", "globex"):
        endpoint_id = await application.add_endpoint(
            world.receiver.url(f"/{tenant}"), tenant=tenant, description=f"Of {tenant}"
        )
        ids[tenant] = (await application.insert(tenant=tenant, event_type=f"{tenant}.made"), endpoint_id)
    await panel.daemon.wait_for_log("attempt.failed", count=2)
    await application.execute(
        "insert into relay.alert (alert, endpoint_id, summary)"
        " values ('a', $1, 'acme fails'), ('b', $2, 'globex fails'), ('c', null, 'all fails')",
        ids["acme"][1],
        ids["globex"][1],
    )
    (event_id, endpoint_id), (other_event, other_endpoint) = ids["acme"], ids["globex"]
    async with panel.browser(await panel.token("admin", tenant="acme")) as browser:
        for path in (
            "/",
            "/deliveries",
            "/deliveries?tenant=globex",
            f"/deliveries?endpoint={other_endpoint}",
            "/endpoints",
            "/endpoints?tenant=globex",
            "/events",
            "/events?tenant=globex",
            "/events?type=globex.*",
            "/alerts",
            "/operations",
            f"/deliveries/{event_id}/{endpoint_id}",
        ):
            said = text_of(await browser.read(path))
            assert "globex" not in said.replace("globex.*", ""), path
            assert "all fails" not in said
        assert "Of acme" in text_of(await browser.read("/"))
        for path in (
            f"/deliveries/{other_event}/{other_endpoint}",
            f"/deliveries/{other_event}/{other_endpoint}/discard",
            f"/deliveries/{other_event}/{other_endpoint}/responses/1",
            f"/endpoints/{other_endpoint}",
            f"/endpoints/{other_endpoint}/edit",
            f"/endpoints/{other_endpoint}/resume",
            f"/endpoints/{other_endpoint}/rotate-secret",
            f"/endpoints/{other_endpoint}/remove",
            f"/events/{other_event}",
            f"/events/{other_event}/payload",
            f"/events/{other_event}/cancel",
        ):
            await browser.read(path, status=404)
        await browser.read("/audit", status=403)
        assert "/audit" not in links_of(await browser.read("/"), "/audit")


async def test_a_tenants_token_changes_its_own_alone(panel: Panel) -> None:
    world, application = panel.world, panel.world.application
    world.receiver.respond = lambda _: Reply(status=500)
    other_endpoint = await application.add_endpoint(world.receiver.url(), tenant="globex")
    other_event = await application.insert(tenant="globex")
    await panel.daemon.wait_for_log("attempt.failed")
    async with panel.browser(await panel.token("admin")) as browser:
        await browser.submit("/operations", {"kind": "retry", "state": "retrying"})
        operation = browser.at
    async with panel.browser(await panel.token("admin", tenant="acme")) as browser:
        await browser.read("/")
        for path in (
            f"/deliveries/{other_event}/{other_endpoint}/retry",
            f"/deliveries/{other_event}/{other_endpoint}/discard",
            f"/endpoints/{other_endpoint}/pause",
            f"/endpoints/{other_endpoint}/resume",
            f"/endpoints/{other_endpoint}/test",
            f"/endpoints/{other_endpoint}/edit",
            f"/endpoints/{other_endpoint}/rotate-secret",
            f"/endpoints/{other_endpoint}/remove",
            f"/events/{other_event}/cancel",
            f"{operation}/start",
        ):
            await browser.submit(path, {}, status=404)
        await browser.read(operation, status=404)
        page = await browser.submit(
            "/deliveries", {"change": "discard", "delivery": f"{other_event}/{other_endpoint}"}
        )
        assert "There is no such delivery" in text_of(page)
        page = await browser.submit(
            "/operations", {"kind": "discard", "state": "retrying", "tenant": "globex"}
        )
        assert "No delivery matches" in text_of(page)
        fields = {"event_type": "a", "payload": "{}", "endpoint_id": str(other_endpoint), "tenant": "globex"}
        await browser.submit("/events", fields, status=404)
        for fields in ({"all": "yes"}, {"tenant": "globex"}, {}):
            await browser.submit("/sending/pause", fields, status=403)
        await browser.submit("/sending/pause", {"tenant": "acme"})
        url = {
            "url": world.receiver.url("/mine"),
            "event_types": "*",
            "signature": "both",
            "tenant": "globex",
        }
        await browser.submit("/endpoints", url)
    assert await application.fetchval("select count(*) from relay.endpoint where tenant = 'acme'") == 1
    assert [each["state"] for each in await application.status(other_event)] == ["retrying"]
    assert (
        await application.fetchval("select count(*) from relay.pause where tenant is distinct from 'acme'")
        == 0
    )
