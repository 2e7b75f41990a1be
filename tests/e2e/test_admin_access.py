"""Who may ask the panel's listener, from where, and how often."""

import asyncio
import base64
import contextlib
from http.cookies import SimpleCookie
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from tests.support.admin import LIMIT, Panel, open_panel
from tests.support.database import connected
from tests.support.world import World

UNKNOWN = "relay_" + base64.urlsafe_b64encode(bytes(32)).rstrip(b"=").decode()


async def ask(client: aiohttp.ClientSession, path: str, **options: object) -> tuple[int, str]:
    async with client.get(path, **options) as response:  # type: ignore[arg-type]  # the test's own
        return response.status, await response.text()


async def test_without_a_token_nothing_is_told(panel: Panel) -> None:
    async with panel.client() as client:
        status, text = await ask(client, "/api/v1/whoami")
        assert status == 401
        assert "relay token create" in text


@pytest.mark.parametrize(
    "shown", ["Bearer", "Bearer ", f"Bearer {UNKNOWN}", "Basic eDp5", "Bearer \x80", "Bearer " + "x" * 5000]
)
async def test_a_wrong_token_is_refused(panel: Panel, shown: str) -> None:
    async with panel.client() as client:
        status, _ = await ask(client, "/api/v1/whoami", headers={"Authorization": shown})
        assert status == 401


async def test_a_revoked_token_is_worth_nothing_at_once_and_its_sessions_end(panel: Panel) -> None:
    token = await panel.token()
    async with panel.client(token) as client, panel.browser(token) as browser:
        assert (await ask(client, "/api/v1/whoami"))[0] == 200
        assert (await ask(browser.client, "/api/v1/whoami"))[0] == 200
        (made,) = await panel.world.relay("token", "list", "-o", "json")
        assert token not in str(made)
        await panel.world.relay_text("token", "revoke", made["id"])
        assert (await ask(client, "/api/v1/whoami"))[0] == 401
        assert (await ask(browser.client, "/api/v1/whoami"))[0] == 401


async def test_the_database_has_no_token_and_no_cookie(panel: Panel) -> None:
    token = await panel.token()
    async with panel.browser(token) as browser:
        cookies = SimpleCookie({each.key: each.value for each in browser.client.cookie_jar})
    async with connected(panel.world.dsn) as connection:
        stored = str(
            await connection.fetch("select t::text, s::text from relay.admin_token t, relay.admin_session s")
        )
    assert token not in stored
    for cookie in cookies.values():
        assert cookie.value not in stored


async def test_after_ten_failures_a_minute_a_peer_has_to_wait(panel: Panel) -> None:
    token = await panel.token()
    async with panel.client() as client:
        for _ in range(10):
            assert (await ask(client, "/api/v1/whoami", headers={"Authorization": f"Bearer {UNKNOWN}"}))[
                0
            ] == 401
        status, text = await ask(client, "/api/v1/whoami", headers={"Authorization": f"Bearer {token}"})
        assert status == 429
        assert "try again" in text


async def test_a_strangers_host_name_is_refused(world: World) -> None:
    panel = await open_panel(world, {"admin": {"allowed_hosts": ["relay.example.com"]}})
    async with panel.client() as client:
        for host, expected in {
            "evil.example": 421,
            "": 421,
            "relay.example.com:99": 401,
            "localhost": 401,
        }.items():
            assert (await ask(client, "/api/v1/whoami", headers={"Host": host}))[0] == expected, host


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_a_change_that_another_site_asks_for_is_refused(panel: Panel, headers: dict[str, str]) -> None:
    token = await panel.token()
    async with panel.browser(token) as browser:
        data = {"csrf_token": browser.csrf_token}
        async with browser.client.post("/sign-out", data=data, headers=headers) as response:
            assert response.status == 403
        assert (await ask(browser.client, "/api/v1/whoami"))[0] == 200


async def test_a_form_without_its_token_changes_nothing(panel: Panel) -> None:
    async with panel.browser(await panel.token()) as browser:
        for wrong in ("", "0" * 64, "é"):
            browser.csrf_token = wrong
            await browser.submit("/sign-out", {}, status=403)
        assert (await ask(browser.client, "/api/v1/whoami"))[0] == 200


async def test_signing_in_begins_a_new_session_whatever_the_browser_brought(panel: Panel) -> None:
    jar = aiohttp.CookieJar(unsafe=True)
    fixed = "relay_" + "a" * 43
    jar.update_cookies({"relay_session": fixed}, response_url=URL(panel.base))
    async with aiohttp.ClientSession(panel.base, cookie_jar=jar, timeout=LIMIT) as client:
        data = {"token": await panel.token()}
        async with client.post(
            "/sign-in", data=data, headers={"Origin": panel.base}, allow_redirects=False
        ) as response:
            assert response.status == 303
            cookie = response.cookies["relay_session"]
        assert cookie.value != fixed
        assert cookie["httponly"]
        assert cookie["samesite"] == "Strict"
    async with aiohttp.ClientSession(panel.base, cookies={"relay_session": fixed}, timeout=LIMIT) as client:
        assert (await ask(client, "/api/v1/whoami"))[0] == 401


async def test_a_link_signs_in_once(panel: Panel) -> None:
    link = await panel.link()
    code = link.partition("?code=")[2]
    for expected in (303, 401):
        async with panel.client() as client:
            data = {"code": code}
            async with client.post(
                "/sign-in", data=data, headers={"Origin": panel.base}, allow_redirects=False
            ) as response:
                assert response.status == expected


async def test_answers_tell_browsers_what_to_refuse(panel: Panel) -> None:
    async with panel.client() as client:
        for path in ("/sign-in", "/api/v1/whoami", "/nothing"):
            async with client.get(path) as response:
                assert "default-src 'none'" in response.headers["Content-Security-Policy"]
                assert "unsafe" not in response.headers["Content-Security-Policy"]
                assert response.headers["Cache-Control"] == "no-store"
                assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_connection_that_sends_no_request_is_closed(panel: Panel) -> None:
    host, _, port = panel.base.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
    async with asyncio.timeout(15):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()


@pytest.mark.parametrize(
    "request_text",
    [
        "GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer relay_canary\x01\r\n\r\n",
        "GET /sign-in?code=relay_canary\x01 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nCookie: relay_session=relay_canary" + "x" * 9000 + "\r\n\r\n",
    ],
)
async def test_a_request_that_is_no_http_is_refused_and_not_logged(panel: Panel, request_text: str) -> None:
    host, _, port = panel.base.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request_text.encode())
    assert b" 400 " in await reader.readline()
    writer.close()
    await panel.daemon.terminate()
    assert b"canary" not in b"".join(panel.daemon.raw) + panel.daemon.stderr
    assert panel.daemon.logged("library.logged") == []


async def test_a_unix_socket_is_for_its_owner_and_group(world: World, tmp_path: Path) -> None:
    place = tmp_path / "admin.sock"
    daemon = await world.start({"admin": {"listen": f"unix:{place}"}})
    await daemon.wait_for_log("admin.listening")
    assert place.stat().st_mode & 0o777 == 0o660
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(place)), timeout=LIMIT) as client:
        assert (await ask(client, "http://localhost/api/v1/whoami"))[0] == 401


async def test_a_unix_socket_that_is_served_is_left_alone_and_one_left_behind_is_taken(
    world: World, tmp_path: Path
) -> None:
    place = tmp_path / "admin.sock"
    first = await world.start({"admin": {"listen": f"unix:{place}"}})
    await first.wait_for_log("admin.listening")
    second = await world.start({"admin": {"listen": f"unix:{place}"}}, waits=False)
    assert await second.wait() == 1
    assert b"another process listens there" in second.stderr
    await first.kill()
    third = await world.start({"admin": {"listen": f"unix:{place}"}})
    await third.wait_for_log("admin.listening")


async def test_a_panel_that_the_network_could_read_along_does_not_start(world: World) -> None:
    code, complained = await world.try_relay(
        "config", "check", environment={"RELAY_ADMIN__LISTEN": "0.0.0.0:8420"}
    )
    assert code == 78
    assert "admin.tls_certificate" in complained
