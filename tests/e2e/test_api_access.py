"""Who may ask what of the API: each route by its scope, and a tenant's token what is its tenant's alone."""

import re
from typing import Any
from uuid import uuid4

import pytest

from relay.admin.api import catalogue
from relay.admin.api.described import ApiRoute
from relay.admin.api.models import deliveries, endpoints, events, operations, system
from relay.admin.principal import SCOPES
from tests.support.admin import Panel
from tests.support.api import Program, program
from tests.support.replies import Reply
from tests.support.waiting import eventually

SECRET_WORDS = "globex-only"
BODIES: dict[type[Any], Any] = {
    endpoints.NewEndpointBody: {"url": "https://example.com/", "event_types": ["never.mind"]},
    endpoints.EndpointChangesBody: {"description": "taken over"},
    endpoints.RotateBody: {"overlap": "0s"},
    endpoints.ResumeBody: {},
    endpoints.TestBody: {},
    endpoints.UrlBody: {"url": "https://example.com/"},
    events.NewEventBody: {"event_type": "a.b", "payload": 1},
    deliveries.NamedBody: {"deliveries": ["{delivery}"]},
    operations.NewOperationBody: {"kind": "retry", "filter": {"state": "dead"}},
    operations.NewReplayBody: {},
    system.SendingBody: {"tenant": "acme"},
    system.NewTokenBody: {"name": "x", "scope": "read"},
}
"""A body for each route that takes one."""


def name_of(route: ApiRoute) -> str:
    return f"{route.method} {route.path}"


def path_of(route: ApiRoute, ids: dict[str, Any]) -> str:
    return re.sub(r"{(\w+)}", lambda found: str(ids[found[1]]), route.path)


def body_of(route: ApiRoute, ids: dict[str, Any]) -> Any:
    if route.body is None:
        return None
    body = dict(BODIES[route.body])
    if "deliveries" in body:
        body["deliveries"] = [f"{ids['event_id']}/{ids['endpoint_id']}"]
    return body


def nobodys() -> dict[str, Any]:
    return {
        "endpoint_id": uuid4(),
        "event_id": uuid4(),
        "token_id": uuid4(),
        "operation_id": 999_999,
    }


async def test_every_route_asks_for_a_token_and_for_its_scope(panel: Panel) -> None:
    async with panel.client() as client:
        nobody = Program(client)
        for route in catalogue.ALL:
            path, body = path_of(route, nobodys()), body_of(route, nobodys())
            problem = await nobody.ask(route.method, path, body, status=401)
            assert problem["code"] == "not_signed_in", name_of(route)
    for number, scope in enumerate(SCOPES):
        async with program(panel, scope) as asking:
            for route in catalogue.ALL:
                path, body = path_of(route, nobodys()), body_of(route, nobodys())
                status, answer = await asking.try_to_ask(route.method, path, body)
                may = SCOPES.index(route.scope) <= number
                assert (status != 403) == may, (name_of(route), scope, answer)
                assert may or answer["code"] == "scope"
                assert status < 500, (name_of(route), answer)


async def rival(panel: Panel, asking: Program) -> dict[str, Any]:
    """Let another tenant have one of everything, and return the ids."""
    panel.world.receiver.respond = lambda _: Reply(status=500, headers=(("webhook-delivery", "abort"),))
    endpoint = await asking.ask(
        "POST",
        "/endpoints",
        {
            "url": panel.world.receiver.url(f"/{SECRET_WORDS}"),
            "tenant": "globex",
            "description": SECRET_WORDS,
        },
        status=201,
    )
    event = await asking.ask(
        "POST",
        "/events",
        {"event_type": "a.b", "payload": SECRET_WORDS, "tenant": "globex", "ordering_key": SECRET_WORDS},
        status=201,
    )

    async def dead() -> bool:
        found = await asking.ask("GET", f"/events/{event['event_id']}")
        return [each["state"] for each in found["deliveries"]] == ["dead"]

    await eventually(dead, "the delivery is dead")
    operation = await asking.ask(
        "POST",
        "/operations",
        {"kind": "retry", "filter": {"state": "dead", "tenant": "globex"}, "rate": 0.001},
        status=201,
    )
    await asking.ask("POST", "/sending/pause", {"tenant": "globex"})
    token = await asking.ask("POST", "/tokens", {"name": SECRET_WORDS, "scope": "read"}, status=201)
    return {
        "endpoint_id": endpoint["id"],
        "event_id": event["event_id"],
        "operation_id": operation["id"],
        "token_id": token["id"],
    }


async def picture(asking: Program, ids: dict[str, Any]) -> list[Any]:
    """Return all that an operator sees of it."""
    paths = (
        f"/endpoints/{ids['endpoint_id']}",
        f"/events/{ids['event_id']}",
        f"/deliveries/{ids['event_id']}/{ids['endpoint_id']}",
        f"/operations/{ids['operation_id']}",
        "/sending",
    )
    return [await asking.ask("GET", path) for path in paths]


async def test_for_a_tenants_token_what_is_anothers_does_not_exist_on_any_route(panel: Panel) -> None:
    async with program(panel) as operator, program(panel, tenant="acme") as asking:
        theirs = await rival(panel, operator)
        before = await picture(operator, theirs)
        for route in catalogue.ALL:
            answers = []
            for ids in (theirs, nobodys()):
                path, body = path_of(route, ids), body_of(route, ids)
                status, answer = await asking.try_to_ask(route.method, path, body)
                text = str(answer)
                for given in ids.values():
                    text = text.replace(str(given), "ID")
                answers.append((status, re.sub(r"'secret': '.*?'|[0-9a-f-]{36}|\d{4}-\d\d-\S+", "*", text)))
            status, text = answers[0]
            assert SECRET_WORDS not in text, name_of(route)
            assert "globex" not in text, name_of(route)
            if "{" in route.path:
                assert status == (404 if route.for_tenants else 403), (name_of(route), text)
            if "{" in route.path:
                assert answers[0] == answers[1], name_of(route)
            if not route.for_tenants:
                assert (status, "bound to one" in text) == (403, True), name_of(route)
        assert await picture(operator, theirs) == before


@pytest.mark.parametrize(
    "path",
    [
        "/endpoints?tenant=globex",
        "/events?tenant=globex",
        "/deliveries?tenant=globex",
        "/operations?tenant=globex",
        "/alerts?tenant=globex",
        "/endpoints?tenant=",
    ],
)
async def test_a_tenants_token_cannot_ask_about_another_tenant(panel: Panel, path: str) -> None:
    async with program(panel, tenant="acme") as asking:
        assert (await asking.ask("GET", path, status=403))["code"] == "tenant"


async def test_a_tenants_token_cannot_make_change_or_select_what_is_anothers(panel: Panel) -> None:
    async with program(panel) as operator, program(panel, tenant="acme") as asking:
        theirs = await rival(panel, operator)
        for path, body in (
            ("/endpoints", {"url": "https://example.com/", "tenant": "globex"}),
            ("/events", {"event_type": "a.b", "payload": 1, "tenant": "globex"}),
            ("/operations", {"kind": "retry", "filter": {"state": "dead", "tenant": "globex"}}),
            ("/replays", {"tenant": "globex"}),
            ("/sending/pause", {"tenant": "globex"}),
            ("/sending/pause", {"tenant": None}),
            ("/sending/resume", {"tenant": ""}),
        ):
            assert (await asking.ask("POST", path, body, status=403))["code"] == "tenant", path
        for path, body in (
            ("/operations", {"kind": "discard", "filter": {"state": "dead"}}),
            (
                "/operations",
                {"kind": "retry", "filter": {"state": "dead", "endpoint_id": theirs["endpoint_id"]}},
            ),
            ("/replays", {}),
            ("/replays", {"endpoint_id": theirs["endpoint_id"]}),
        ):
            assert (await asking.ask("POST", path, body, status=201))["total"] == 0, path
        event = {"event_type": "a.b", "payload": 1, "endpoint_id": theirs["endpoint_id"]}
        assert (await asking.ask("POST", "/events", event, status=201))["endpoints"] == 0
        named = {"deliveries": [f"{theirs['event_id']}/{theirs['endpoint_id']}"]}
        for change in ("retry", "discard"):
            (answer,) = (await asking.ask("POST", f"/deliveries/{change}", named))["items"]
            assert answer["result"] == "not_found"


async def test_a_tenant_has_its_own_endpoints_events_deliveries_and_operations(panel: Panel) -> None:
    receiver = panel.world.receiver
    async with program(panel) as operator, program(panel, tenant="acme") as asking:
        await rival(panel, operator)
        receiver.respond = lambda _: Reply()
        made = await asking.ask("POST", "/endpoints", {"url": receiver.url("/acme")}, status=201)
        assert made["tenant"] == "acme"
        event = await asking.ask("POST", "/events", {"event_type": "a.b", "payload": 1}, status=201)
        request = await receiver.wait_for_event(event["event_id"])
        assert request.path == "/acme"
        for path in ("/endpoints", "/events", "/deliveries"):
            assert {each["tenant"] for each in await asking.all_of(f"{path}?limit=1")} == {"acme"}
        replay = await asking.ask("POST", "/replays", {"states": ["dead"]}, status=201)
        await asking.ask("POST", f"/operations/{replay['id']}/start")
        assert [each["id"] for each in await asking.all_of("/operations")] == [replay["id"]]
        assert (await asking.ask("POST", "/sending/pause", {"tenant": "acme"}))["changed"]
        assert [each["tenant"] for each in (await asking.ask("GET", "/sending"))["items"]] == ["acme"]


@pytest.mark.parametrize("tenant", [None, "acme"])
async def test_only_operators_are_told_which_address_is_not_allowed_and_why(
    panel: Panel, tenant: str | None
) -> None:
    async with program(panel, tenant=tenant) as asking:
        problem = await asking.ask("POST", "/endpoints", {"url": "https://10.1.2.3/"}, status=422)
        verdict = await asking.ask("POST", "/url-checks", {"url": "https://10.1.2.3/"})
    assert problem["code"] == verdict["code"] == "destination_not_allowed"
    assert problem["errors"][0]["field"] == "url"
    assert (verdict["reason"] == "destination_not_allowed") == (tenant is not None)
    assert ("10.1.2.3" in str(problem)) == (tenant is None)


@pytest.mark.parametrize("tenant", [None, "acme"])
async def test_only_operators_see_the_addresses_in_the_errors_of_attempts(
    panel: Panel, tenant: str | None
) -> None:
    async with program(panel) as operator, program(panel, tenant=tenant) as asking:
        endpoint = await operator.ask(
            "POST", "/endpoints", {"url": "http://127.0.0.1:8000/x", "tenant": "acme"}, status=201
        )
        # As if it had been allowed once, and as if the name led to an address that no request may reach.
        await panel.world.application.change_endpoint(endpoint["id"], url="https://169.254.169.254/x")
        event = await operator.ask(
            "POST", "/events", {"event_type": "a.b", "payload": 1, "tenant": "acme"}, status=201
        )
        await panel.world.application.wait_for_end(event["event_id"])
        report = await asking.ask("GET", f"/deliveries/{event['event_id']}/{endpoint['id']}")
        shown = await asking.ask("GET", f"/events/{event['event_id']}")
    assert (report["state"], report["reason"]) == ("dead", "not_allowed")
    told = [report["last_error"], report["explanation"], shown["deliveries"][0]["last_error"]]
    told += [each["error"] for each in report["log"]]
    assert ("destination_not_allowed" in told) == (tenant is not None)
    assert ("169.254" in str(told)) == (tenant is None)


def test_no_route_that_tenants_may_ask_passes_by_the_rule() -> None:
    narrowed_by_hand = {
        "POST /url-checks": "it reads nothing that is stored",
        "GET /whoami": "it tells of the token alone",
        "GET /sending": "it leaves out what is not the tenant's",
        "POST /deliveries/retry": "the statement takes the tenant",
        "POST /deliveries/discard": "the statement takes the tenant",
    }
    free = [
        name_of(route)
        for route in catalogue.ALL
        if route.for_tenants
        and "{" not in route.path
        and not any(
            "tenant" in str(model and model.model_json_schema()) for model in (route.query, route.body)
        )
    ]
    assert sorted(free) == sorted(narrowed_by_hand)
