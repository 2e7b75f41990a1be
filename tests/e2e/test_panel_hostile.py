"""What strangers write is text on every page: no markup of theirs, and nothing that misleads the eye."""

import json

from tests.support.admin import Panel
from tests.support.api import program
from tests.support.pages import elements_of, text_of
from tests.support.receiver import Reply

XSS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "'><iframe srcdoc='<script>alert(1)</script>'>",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "<a href=javascript:alert(1)>x</a>",
    '" autofocus onfocus=alert(1) x="',
)
BIDI = "good\u202egpj.exe\u2066\u200b"


async def test_what_strangers_write_is_never_markup(panel: Panel) -> None:
    world, application = panel.world, panel.world.application
    hostile = " ".join(XSS) + BIDI
    world.receiver.respond = lambda _: Reply(
        status=500,
        headers=(("X-Evil", XSS[0]), ("Content-Type", "text/html")),
        body=(hostile + "\x1b[2J").encode(),
    )
    endpoint_id = await application.add_endpoint(
        world.receiver.url("/hook?q=<script>"),
        description=hostile,
        tenant=hostile[:250],
        metadata=json.dumps({"</script>": hostile}),
    )
    event_id = await application.insert(
        f'{{"evil": {json.dumps(hostile)}}}',
        tenant=hostile[:250],
        ordering_key=hostile[:250],
        dedupe_key=hostile[:250],
    )
    await application.execute(
        "insert into relay.alert (alert, endpoint_id, summary, cleared_at)"
        " values ($1::text, $2, $1::text, null), ($1::text, $2, $1::text, now())",
        hostile,
        endpoint_id,
    )
    await application.execute(
        "insert into relay.audit (actor, action, object, detail)"
        " values ($1::text, $1::text, $1::text, json_build_object($1::text, $1::text))",
        hostile,
    )
    await panel.daemon.wait_for_log("attempt.failed")
    async with panel.browser(await panel.token()) as browser:
        plain = [tag for tag, _ in elements_of(await browser.read("/operations"))]
        for path in (
            "/",
            "/deliveries",
            f"/deliveries/{event_id}/{endpoint_id}",
            "/endpoints",
            f"/endpoints/{endpoint_id}",
            f"/endpoints/{endpoint_id}/edit",
            f"/endpoints/{endpoint_id}/remove",
            f"/endpoints/{endpoint_id}/rotate-secret",
            "/events",
            f"/events/{event_id}",
            "/alerts",
            "/audit",
        ):
            page = await browser.read(path)
            elements = elements_of(page)
            assert sum(tag == "script" for tag, _ in elements) <= plain.count("script") + 1, path
            for tag, attributes in elements:
                assert tag not in {"img", "iframe", "object", "embed", "base"}, path
                assert not any(name.startswith("on") or name == "style" for name in attributes), path
                assert not (attributes.get("href") or "").startswith("javascript"), path
            shown = text_of(page)
            if "autofocus onfocus" in shown and "edit" not in path:
                assert "\u202e" not in shown, path
                assert "\\u202e" in shown, path
        said = text_of(await browser.read(f"/deliveries/{event_id}/{endpoint_id}"))
        for each in XSS:
            assert each in said
        assert "\\u001b[2J" in said
        assert "{{ 7 * 7 }}" in said


async def test_what_is_searched_for_is_never_markup(panel: Panel) -> None:
    async with panel.browser(await panel.token()) as browser:
        for each in XSS:
            for path, name in (("/deliveries", "type"), ("/events", "ordering_key"), ("/endpoints", "text")):
                async with browser.client.get(path, params={name: each}) as response:
                    page = await response.text()
                assert not any(tag in {"img", "iframe"} for tag, _ in elements_of(page))
                fields = [attributes for tag, attributes in elements_of(page) if tag == "input"]
                (found,) = (field for field in fields if field.get("name") == name)
                assert found["value"] == each
        page = await browser.read("/deliveries?state=%3Cscript%3Ealert(1)%3C/script%3E", status=422)
        assert "<script>alert" not in page


async def test_a_body_is_downloaded_and_never_shown_by_the_browser(panel: Panel) -> None:
    world = panel.world
    world.receiver.respond = lambda _: Reply(
        status=500, headers=(("Content-Type", "text/html"),), body=b"<script>alert(1)</script>"
    )
    endpoint_id = await world.application.add_endpoint(world.receiver.url())
    event_id = await world.application.insert()
    await panel.daemon.wait_for_log("attempt.failed")
    async with panel.browser(await panel.token("read")) as browser:
        page = await browser.read(f"/deliveries/{event_id}/{endpoint_id}")
        hrefs = [attributes.get("href") or "" for tag, attributes in elements_of(page) if tag == "a"]
        (path,) = (each for each in hrefs if "/responses/" in each)
        async with browser.client.get(path) as response:
            assert await response.read() == b"<script>alert(1)</script>"
            assert response.content_type == "application/octet-stream"
            assert response.headers["Content-Disposition"].startswith("attachment; filename=")
            assert response.headers["X-Content-Type-Options"] == "nosniff"
        await browser.read(f"/deliveries/{event_id}/{endpoint_id}/responses/7", status=404)


async def test_an_endpoint_is_shown_whatever_numbers_its_owner_gave_it(panel: Panel) -> None:
    number = 10**30
    async with program(panel, tenant="acme") as asked:
        body = {"url": panel.world.receiver.url(), "metadata": {"n": number}, "filter": {"n": number}}
        made = await asked.ask("POST", "/endpoints", json.dumps(body).encode(), status=201)
    async with panel.browser(await panel.token("read")) as browser:
        assert str(number) in await browser.read(f"/endpoints/{made['id']}")
