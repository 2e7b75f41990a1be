"""Answers to programs."""

from typing import Any

import orjson
from aiohttp import web


def as_json(value: Any, *, status: int = 200) -> web.Response:
    """Return a value as JSON; dataclasses by their fields, times by RFC 3339 in UTC."""
    return web.Response(
        status=status,
        body=orjson.dumps(value, option=orjson.OPT_UTC_Z),
        content_type="application/json",
    )
