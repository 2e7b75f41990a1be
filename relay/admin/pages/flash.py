"""What the next page says of what was just done: kept for a minute in a cookie that only this session can have made."""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import Literal, cast

import orjson
from aiohttp import hdrs, web

from relay.admin.auth import cookie_name
from relay.admin.context import CONTEXT

NAME = "relay_flash"
LASTS = 60
"""Seconds until a message that no page showed is forgotten."""
LONGEST = 1000
Tone = Literal["good", "bad", "note"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flash:
    """A message, and whether what it tells of went well."""

    text: str
    tone: Tone


def go_on(request: web.Request, path: str, text: str = "", tone: Tone = "good") -> web.Response:
    """Return the answer that leads on to a page which says this."""
    answer = web.Response(status=303, headers={hdrs.LOCATION: path})
    if text:
        body = base64.urlsafe_b64encode(orjson.dumps([tone, text[:LONGEST]])).decode("ascii")
        is_secure = request.app[CONTEXT].is_secure
        answer.set_cookie(
            NAME,
            f"{body}.{_signed(request, body)}",
            max_age=LASTS,
            path="/",
            httponly=True,
            secure=is_secure,
            samesite="Strict",
        )
    return answer


def pop_flash(request: web.Request, response: web.Response) -> Flash | None:
    """Return the message that waits for this page, and have the browser forget it."""
    kept = request.cookies.get(NAME)
    if kept is None or "HX-Request" in request.headers:
        return None  # a part that refreshes itself has no room for it
    response.del_cookie(NAME, path="/")
    body, _, signature = kept.partition(".")
    is_signed_in = cookie_name(is_secure=request.app[CONTEXT].is_secure) in request.cookies
    if not is_signed_in or not hmac.compare_digest(
        signature.encode("utf-8", "replace"), _signed(request, body).encode("ascii")
    ):
        return None
    tone, text = orjson.loads(base64.urlsafe_b64decode(body))
    return Flash(text=text, tone=cast(Tone, tone))


def _signed(request: web.Request, body: str) -> str:
    session = request.cookies.get(cookie_name(is_secure=request.app[CONTEXT].is_secure), "")
    key = session.encode("utf-8", "surrogatepass")
    return hmac.new(key, b"relay flash" + body.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
