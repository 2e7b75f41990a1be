"""The files that pages load: a fixed list, read once, and named by their contents so that browsers keep them."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from aiohttp import hdrs, web

FOLDER = Path(__file__).parents[1] / "static"
TYPES: Mapping[str, str] = {
    "relay.css": "text/css",
    "app.js": "text/javascript",
    "live.js": "text/javascript",
    "htmx.min.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
"""Every file that is served, and what it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticFile:
    """A file as it is sent.

    Attributes:
        path: Where it is asked for; another version of it has another path.
        content: Its bytes.
        packed: The same, as gzip.
    """

    path: str
    content_type: str
    content: bytes
    packed: bytes


@cache
def files() -> Mapping[str, StaticFile]:
    """Return every file by its name."""
    return {name: _read(name, content_type) for name, content_type in TYPES.items()}


def path_of(name: str) -> str:
    """Return where a page finds a file."""
    return files()[name].path


async def show_file(request: web.Request) -> web.StreamResponse:
    """Send a file, packed to whoever takes it so."""
    found = files().get(request.match_info["name"])
    if found is None or found.path != request.path:
        raise web.HTTPNotFound
    takes_gzip = "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, "").lower()
    headers = {hdrs.CACHE_CONTROL: "public, max-age=31536000, immutable", hdrs.VARY: hdrs.ACCEPT_ENCODING}
    if takes_gzip:
        headers[hdrs.CONTENT_ENCODING] = "gzip"
    body = found.packed if takes_gzip else found.content
    return web.Response(body=body, content_type=found.content_type, charset="utf-8", headers=headers)


def _read(name: str, content_type: str) -> StaticFile:
    content = (FOLDER / name).read_bytes()
    version = hashlib.sha256(content).hexdigest()[:12]
    return StaticFile(
        path=f"/static/{version}/{name}",
        content_type=content_type,
        content=content,
        packed=gzip.compress(content, 9, mtime=0),
    )
