"""Who is behind a request: a bearer token, or the cookie of a session that began with one."""

import hashlib
import hmac
from typing import Literal

from aiohttp import hdrs, web

from relay.admin.access import SAFE_METHODS, peer_of
from relay.admin.bodies import receive
from relay.admin.context import CONTEXT, PRINCIPAL
from relay.admin.failures import Failures
from relay.admin.operations import tokens
from relay.admin.operations.tokens import Token
from relay.admin.principal import Principal, Scope
from relay.admin.problems import Problem, ProblemError

FAILURES = web.AppKey("failures", Failures)
CSRF_FIELD = "csrf_token"
CSRF_HEADER = "X-CSRF-Token"
_LONGEST_SECRET = 200
NOT_SIGNED_IN = "show a token: `Authorization: Bearer TOKEN`; `relay token create NAME` makes one"


async def principal_of(request: web.Request) -> Principal | None:
    """Return who asks; None if nobody says so.

    Raises:
        ProblemError: A token was shown that is worth nothing, or too many of those came from there.
    """
    shown = request.headers.get(hdrs.AUTHORIZATION)
    if shown is not None:
        return await _of_bearer(request, shown)
    cookie = request.cookies.get(cookie_name(is_secure=request.app[CONTEXT].is_secure))
    return None if cookie is None else await _of_session(request, cookie)


async def authorise(request: web.Request, scope: Scope) -> None:
    """Let a request through, its body read, if whoever asks may do what needs this scope.

    Raises:
        ProblemError: Nobody says who asks (401), they may not (403), or the body cannot be used.
    """
    principal = await principal_of(request)
    if principal is None:
        headers: dict[str, str] = {hdrs.WWW_AUTHENTICATE: "Bearer"}
        raise ProblemError(Problem(status=401, code="not_signed_in", detail=NOT_SIGNED_IN, headers=headers))
    if not principal.may(scope):
        raise ProblemError(
            Problem(
                status=403,
                code="scope",
                detail=f"this needs the scope {scope}, and the token {principal.name!r} has {principal.scope}",
            )
        )
    await receive(request)
    if principal.csrf_token is not None and request.method not in SAFE_METHODS:
        await _check_csrf(request, principal.csrf_token)
    request[PRINCIPAL] = principal


async def token_of(request: web.Request, secret: str) -> Token:
    """Return the token that somebody shows.

    Raises:
        ProblemError: It is worth nothing (401), or too many of those came from there (429).
    """
    context = request.app[CONTEXT]
    failures = request.app[FAILURES]
    peer = peer_of(request, behind_proxy=context.settings().admin.behind_proxy)
    check_patience(failures, peer)
    found = None
    if len(secret) <= _LONGEST_SECRET:
        async with context.sessions.session() as session:
            found = await tokens.find(session, secret)
    if found is None:
        failures.note(peer)
        raise ProblemError(
            Problem(
                status=401,
                code="bad_token",
                detail="this token is unknown, expired or revoked; `relay token list` shows those there are",
                headers={hdrs.WWW_AUTHENTICATE: 'Bearer error="invalid_token"'},
            )
        )
    return found


def check_patience(failures: Failures, peer: str) -> None:
    """Refuse somebody who failed too often.

    Raises:
        ProblemError: They did (429).
    """
    wait = failures.wait(peer)
    if wait > 0:
        raise ProblemError(
            Problem(
                status=429,
                code="too_many_failures",
                detail=f"too many wrong tokens came from here; try again in {wait:.0f} s",
                headers={hdrs.RETRY_AFTER: str(int(wait) + 1)},
            )
        )


def cookie_name(*, is_secure: bool) -> str:
    """Return what the cookie of a session is called; browsers keep others from setting one with this prefix."""
    return "__Host-relay_session" if is_secure else "relay_session"


def csrf_token_of(cookie: str) -> str:
    """Return what the forms of a session send along: a stranger's page cannot know it."""
    return hmac.new(cookie.encode("utf-8", "surrogatepass"), b"relay csrf", hashlib.sha256).hexdigest()


def principal_from(
    token: Token, through: Literal["api", "panel"], csrf_token: str | None = None
) -> Principal:
    """Return who has a token."""
    return Principal(
        token_id=token.id,
        name=token.name,
        scope=token.scope,
        tenant=token.tenant,
        actor=f"{through}:{token.name}",
        csrf_token=csrf_token,
    )


async def _of_bearer(request: web.Request, shown: str) -> Principal:
    scheme, _, secret = shown.partition(" ")
    token = await token_of(request, secret.strip() if scheme.lower() == "bearer" else "")
    return principal_from(token, "api")


async def _of_session(request: web.Request, cookie: str) -> Principal | None:
    if len(cookie) > _LONGEST_SECRET:
        return None
    async with request.app[CONTEXT].sessions.session() as session:
        token = await tokens.find_session(session, cookie)
    return None if token is None else principal_from(token, "panel", csrf_token_of(cookie))


async def _check_csrf(request: web.Request, expected: str) -> None:
    given = request.headers.get(CSRF_HEADER)
    if given is None:
        field = (await request.post()).get(CSRF_FIELD)
        given = field if isinstance(field, str) else None
    if given is None or not hmac.compare_digest(
        given.encode("utf-8", "surrogatepass"), expected.encode("ascii")
    ):
        raise ProblemError(
            Problem(
                status=403,
                code="csrf",
                detail="this form is out of date, or did not come from the panel; open the page again",
            )
        )
