"""What a person sees when something went wrong."""

from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import quote

import asyncpg
from aiohttp import web

from relay.admin.auth import principal_of
from relay.admin.context import PRINCIPAL
from relay.admin.pages.rendering import render
from relay.admin.problems import Problem, ProblemError
from relay.store.session import DatabaseAway
from relay.store.session_pool import AllBusy

_PASSES = frozenset({"database_away", "busy"})
"""Problems that go by themselves."""
_HEADLINES: Mapping[str, str] = {
    "database_away": "The database is away",
    "busy": "Too many slow questions at once",
    "too_slow": "That took too long",
    "scope": "Your token may not do this",
    "csrf": "This form is out of date",
    "cross_site": "Another site asked for this",
    "host_not_allowed": "The panel does not go by this name",
    "not_found": "There is no such thing",
    "conflict": "That is not possible now",
    "invalid": "Something in it cannot be used",
    "too_many_failures": "Too many wrong tokens",
    "too_many_viewers": "Too many live pages",
    "not_signed_in": "You are not signed in",
    "internal": "Something went wrong in Relay",
}
_ADVICE: Mapping[str, str] = {
    "database_away": "The relay goes on by itself then. `relay doctor`, on the machine that runs it, says what stands "
    "in the way.",
    "scope": "Ask whoever manages tokens for one with more, and sign in with that.",
    "csrf": "Go back, load the page again, and repeat what you did.",
    "not_signed_in": "Your session is over; nothing was changed. Sign in, and do it again.",
    "conflict": "Go back, look how it stands now, and decide again.",
    "invalid": "Go back and mend it.",
}


async def problem_page(request: web.Request, problem: Problem) -> web.StreamResponse:
    """Return the page that says what the matter is and what to do; who is not signed in is asked to."""
    if problem.code == "not_signed_in" and request.method in {"GET", "HEAD"}:
        return web.Response(
            status=303, headers={"Location": f"/sign-in?next={quote(request.path_qs, safe='')}"}
        )
    if PRINCIPAL not in request and problem.code not in _PASSES:
        await _find_principal(request)
    is_read = request.method in {"GET", "HEAD"}
    page = render(
        request,
        "problem.html",
        status=problem.status,
        problem=problem,
        headline=_HEADLINES.get(problem.code, problem.title),
        advice=_ADVICE.get(problem.code),
        reloads=problem.code in _PASSES and is_read,
        can_repeat=is_read,
        framed=problem.code in _PASSES,
    )
    page.headers.update(problem.headers)
    return page


async def _find_principal(request: web.Request) -> None:
    """Find out who asks, for the frame of the page alone; if that cannot be told the page has none."""
    with suppress(ProblemError, DatabaseAway, AllBusy, asyncpg.PostgresError):
        principal = await principal_of(request)
        if principal is not None:
            request[PRINCIPAL] = principal
