"""Bodies that somebody unknown sends to the panel's listener: none of them costs much, or is a fault of ours."""

import asyncio
import gzip
import io
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.admin import Panel
from tests.support.api import program

FORM = "application/x-www-form-urlencoded"
PARTS = {"Content-Type": "multipart/form-data; boundary=x"}


async def sent(panel: Panel, body: bytes, headers: Mapping[str, str]) -> int:
    async with (
        panel.client() as client,
        client.post("/sign-in", data=io.BytesIO(body), headers=headers) as response,
    ):
        await response.read()
        return response.status


async def test_a_compressed_body_is_refused_and_nothing_is_unpacked(panel: Panel) -> None:
    bomb = gzip.compress(b"0" * 512 * 1024 * 1024, 9)
    before = processor_time_of(panel)
    assert await sent(panel, bomb, {"Content-Encoding": "gzip", "Content-Type": FORM}) == 415
    async with program(panel) as asked:
        headers = {"Content-Encoding": "gzip"}
        answer = await asked.ask("POST", "/events", gzip.compress(b"{}"), status=415, headers=headers)
        assert "compressed" in answer["detail"]
    assert processor_time_of(panel) - before < 0.3


def processor_time_of(panel: Panel) -> float:
    """Return the seconds of processor time that the daemon has taken."""
    fields = Path(f"/proc/{panel.daemon.pid}/stat").read_text(encoding="ascii").rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b'--x\r\nContent-Disposition: form-data; name="token"\r\n\r\n1\r\n--x--\r\n', PARTS, 415),
        (b"--x\r\n\r\nno name\r\n--x--\r\n", PARTS, 415),
        (b"token=1", {"Content-Type": f"{FORM}; charset=klingon"}, 400),
        (b"token=\xff", {"Content-Type": FORM}, 400),
        (b"a=1&" * 2000, {"Content-Type": FORM}, 413),
        (b"token=" + b"1" * 1024 * 1024, {"Content-Type": FORM}, 413),
    ],
)
async def test_a_form_that_cannot_be_read_is_refused_and_no_fault_of_ours(
    panel: Panel, body: bytes, headers: Mapping[str, str], status: int
) -> None:
    assert await sent(panel, body, headers) == status
    assert panel.daemon.logged("admin.failed") == []


async def test_a_body_that_does_not_come_is_not_waited_for(panel: Panel) -> None:
    host, _, port = panel.base.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Type: {FORM}\r\nContent-Length: 99\r\n\r\ntok"
    )
    writer.write(head.encode())
    async with asyncio.timeout(30):
        assert b" 408 " in await reader.readline()
    writer.close()
