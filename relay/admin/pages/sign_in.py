"""Signing in with a token or a link, and out again."""

from datetime import timedelta

from aiohttp import web

from relay.admin.access import peer_of
from relay.admin.auth import (
    FAILURES,
    check_patience,
    cookie_name,
    token_of,
)
from relay.admin.context import CONTEXT
from relay.admin.operations import tokens
from relay.admin.pages.rendering import render
from relay.admin.problems import Problem, ProblemError

_LONGEST_CODE = 200
USED_UP = "this link is used up or too old; `relay token link` prints another"


async def show_sign_in(request: web.Request) -> web.StreamResponse:
    """Show the form; with the code of a link it only wants a press of the button.

    A press, since mail programs and chats follow links to look at them, and would use it up.
    """
    return render(
        request, "sign_in.html", code=request.query.get("code", ""), next=_next_of(request), problem=None
    )


async def sign_in(request: web.Request) -> web.StreamResponse:
    """Begin a session and lead to the page that was wanted; a wrong token shows the form again."""
    form = await request.post()
    code, token = str(form.get("code", "")), str(form.get("token", "")).strip()
    try:
        cookie = await (_with_code(request, code) if code else _with_token(request, token))
    except ProblemError as error:
        if error.problem.status != web.HTTPUnauthorized.status_code:
            raise
        return render(
            request, "sign_in.html", status=401, code="", next=_next_of(request), problem=error.problem.detail
        )
    answer = web.HTTPSeeOther(_next_of(request))
    _set_cookie(request, answer, cookie, _lifetime(request))
    raise answer


async def sign_out(request: web.Request) -> web.StreamResponse:
    """End the session."""
    context = request.app[CONTEXT]
    name = cookie_name(is_secure=context.is_secure)
    async with context.sessions.session() as session:
        await tokens.sign_out(session, request.cookies.get(name, ""))
    answer = web.HTTPSeeOther("/sign-in")
    _set_cookie(request, answer, "", timedelta())
    raise answer


async def _with_token(request: web.Request, secret: str) -> str:
    token = await token_of(request, secret)
    async with request.app[CONTEXT].sessions.session() as session:
        return await tokens.sign_in(session, token.id, lifetime=_lifetime(request))


async def _with_code(request: web.Request, code: str) -> str:
    context, failures = request.app[CONTEXT], request.app[FAILURES]
    peer = peer_of(request, behind_proxy=context.settings().admin.behind_proxy)
    check_patience(failures, peer)
    found = None
    if len(code) <= _LONGEST_CODE:
        async with context.sessions.session() as session:
            found = await tokens.sign_in_with_code(session, code, lifetime=_lifetime(request))
    if found is None:
        failures.note(peer)
        raise ProblemError(Problem(status=401, code="bad_code", detail=USED_UP))
    return found.cookie


def _lifetime(request: web.Request) -> timedelta:
    return request.app[CONTEXT].settings().admin.session_lifetime


def _next_of(request: web.Request) -> str:
    """Return where to go on: a path of the panel, never another site."""
    wanted = request.query.get("next", "/")
    is_path = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if is_path else "/"


def _set_cookie(request: web.Request, answer: web.Response, cookie: str, lifetime: timedelta) -> None:
    is_secure = request.app[CONTEXT].is_secure
    answer.set_cookie(
        cookie_name(is_secure=is_secure),
        cookie,
        max_age=int(lifetime.total_seconds()),
        path="/",
        httponly=True,
        secure=is_secure,
        samesite="Strict",
    )
