"""The panel speaks TLS itself: who does not ask is not waited for, and what is wrong with the files is said."""

import asyncio
import contextlib
import ssl
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives import serialization

from tests.support.admin import LIMIT, open_panel
from tests.support.certificates import make_certificate
from tests.support.world import World


def tls(certificate: Path, key: Path | None = None) -> dict[str, dict[str, Any]]:
    return {"admin": {"tls_certificate": str(certificate), "tls_key": str(key or certificate)}}


async def test_the_panel_speaks_tls_and_has_browsers_keep_to_it(world: World, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    panel = await open_panel(world, tls(certificate))
    context = ssl.create_default_context(cafile=str(certificate))
    address = panel.base.replace("http:", "https:")
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context), timeout=LIMIT) as client,
        client.post(f"{address}/sign-in", data={"token": await panel.token()}, allow_redirects=False) as got,
    ):
        assert got.status == 303
        assert "max-age" in got.headers["Strict-Transport-Security"]
        assert got.headers["Set-Cookie"].startswith("__Host-relay_session=")
        assert "; Secure" in got.headers["Set-Cookie"]


async def test_a_connection_that_does_not_shake_hands_or_ask_in_time_is_closed(
    world: World, tmp_path: Path
) -> None:
    certificate = make_certificate(tmp_path)
    panel = await open_panel(world, tls(certificate))
    host, _, port = panel.base.removeprefix("http://").partition(":")
    context = ssl.create_default_context(cafile=str(certificate))
    began = time.monotonic()
    silent = await asyncio.open_connection(host, int(port))
    idle = await asyncio.open_connection(host, int(port), ssl=context)
    for reader, writer in (silent, idle):
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
    assert time.monotonic() - began < 15


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("not there", "No such file or directory"),
        ("no PEM", "no PEM file"),
        ("another's", "key values mismatch"),
        ("encrypted", "the key is encrypted"),
    ],
)
async def test_a_certificate_that_cannot_be_used_is_named_with_the_reason(
    world: World, tmp_path: Path, broken: str, reason: str
) -> None:
    certificate, key = make_certificate(tmp_path), tmp_path / "key.pem"
    match broken:
        case "no PEM":
            key.write_text("no key\n", encoding="ascii")
        case "another's":
            (tmp_path / "other").mkdir()
            key.write_bytes(make_certificate(tmp_path / "other").read_bytes())
        case "encrypted":
            key.write_bytes(encrypted(certificate.read_bytes()))
    sections = tls(certificate, key)
    sections["admin"]["listen"] = "127.0.0.1:0"
    daemon = await world.start(sections, waits=False)
    assert await daemon.wait() == 1
    said = daemon.stderr.decode()
    assert f"admin.tls_key {key} ({reason})" in said
    assert "phrase" not in said


def encrypted(pem: bytes) -> bytes:
    return serialization.load_pem_private_key(pem, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"geheim"),
    )
