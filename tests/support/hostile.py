"""Servers that mean harm, each on a port of its own, plain or with TLS.

Run as a program it prints the ports as JSON, and serves until its stdin ends.
"""

import asyncio
import gzip
import json
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

HEAD = b"HTTP/1.1 200 OK\r\n"
ENDED = (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError)
PATIENCE = 30.0
"""Seconds after which a server gives up by itself."""
BOMB = gzip.compress(b"\0" * 20_000_000)
EVERY_BYTE = bytes(byte for byte in range(256) if byte not in b"\r\n")


async def _drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    for byte in HEAD * 100:
        if writer.is_closing():
            return
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.2)


async def _drip_body(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 1000\r\n\r\n")
    for _byte in range(1000):
        if writer.is_closing():
            return
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.2)


async def _silence(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    await asyncio.sleep(PATIENCE)


async def _pour(writer: asyncio.StreamWriter, start: bytes, again: bytes) -> None:
    writer.write(start)
    while not writer.is_closing():  # draining does not always say so
        writer.write(again)
        await writer.drain()
        await asyncio.sleep(0)


async def _endless_headers(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _pour(writer, HEAD, b"X-A: b\r\n" * 1000)


async def _endless_header(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _pour(writer, HEAD + b"X-A: ", b"b" * 8000)


async def _fat_head(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + (b"X-A: " + b"b" * 8000 + b"\r\n") * 95 + b"Content-Length: 0\r\n\r\n")
    await asyncio.sleep(PATIENCE)


async def _endless_body(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _pour(writer, HEAD + b"Content-Length: 99999999999\r\n\r\n", b"x" * 16_000)


async def _endless_chunks(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _pour(writer, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b"x" * 4096 + b"\r\n")


async def _gzip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % (len(BOMB) * 1000)
    await _pour(writer, head, BOMB)


async def _endless_interim(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await _pour(writer, b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 500)


async def _switching(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
    await asyncio.sleep(PATIENCE)


async def _bad_chunks(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\nx")
    await asyncio.sleep(PATIENCE)


async def _pushed(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write((HEAD + b"Content-Length: 0\r\n\r\n") * 50)
    await asyncio.sleep(PATIENCE)


async def _every_byte(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(
        b"HTTP/1.1 500 %b\r\nX-A: %b\r\nContent-Length: 256\r\n\r\n" % (b"\xff\xfe", b"\xf0\x9f\x92\xa9\xff")
    )
    writer.write(bytes(range(256)))
    await asyncio.sleep(PATIENCE)


async def _early_close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD[:9])


async def _reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


KINDS: Mapping[str, Serve] = {
    "drip": _drip,
    "drip-body": _drip_body,
    "silence": _silence,
    "endless-headers": _endless_headers,
    "endless-header": _endless_header,
    "fat-head": _fat_head,
    "endless-body": _endless_body,
    "endless-chunks": _endless_chunks,
    "gzip": _gzip,
    "endless-interim": _endless_interim,
    "switching": _switching,
    "bad-chunks": _bad_chunks,
    "pushed": _pushed,
    "every-byte": _every_byte,
    "early-close": _early_close,
    "reset": _reset,
}


@asynccontextmanager
async def hostile_servers(tls: ssl.SSLContext | None = None) -> AsyncIterator[dict[str, int]]:
    """Serve every kind; gives the port of each."""
    async with AsyncExitStack() as stack:
        ports: dict[str, int] = {}
        for kind, serve in KINDS.items():
            server = await asyncio.start_server(_until_gone(serve), "127.0.0.1", 0, ssl=tls)
            stack.callback(server.close)
            ports[kind] = server.sockets[0].getsockname()[1]
        yield ports


def _until_gone(serve: Serve) -> Serve:
    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(*ENDED, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await reader.readuntil(b"\r\n\r\n")
                await serve(reader, writer)
        writer.transport.abort()

    return serve_one


@asynccontextmanager
async def hostile_process(certificate: Path | None = None) -> AsyncIterator[dict[str, int]]:
    """Serve every kind from a process of its own, with TLS if there is a certificate; gives the port of each."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.hostile", *([] if certificate is None else [str(certificate)]),
        cwd=Path(__file__).parents[2], stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        line = b"" if process.stdout is None else await process.stdout.readline()
        yield json.loads(line)
    finally:
        process.kill()
        await process.wait()


async def _serve_until_told(certificate: str | None) -> None:
    tls = None
    if certificate is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate)
    async with hostile_servers(tls) as ports:
        sys.stdout.write(json.dumps(ports) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve_until_told(sys.argv[1] if len(sys.argv) > 1 else None))
