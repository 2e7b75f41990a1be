"""Routes: which scope each needs stands beside it, and nowhere else."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from aiohttp import web

from relay.admin.principal import Scope

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of one path.

    Attributes:
        method: GET routes answer HEAD as well.
        path: As aiohttp reads it, with `{name}` for what varies.
        answer: Answers it.
        scope: What whoever asks must be allowed; None: nothing, not even to be known.
        is_stream: It goes on answering, so it has no time limit.
    """

    method: str
    path: str
    answer: Handler
    scope: Scope | None
    is_stream: bool = False


ROUTE_OF: web.AppKey[dict[object, Route]] = web.AppKey("route_of", dict)


def add_routes(app: web.Application, routes: Iterable[Route]) -> None:
    """Add routes to an application."""
    known = app.setdefault(ROUTE_OF, {})
    for route in routes:
        app.router.add_route(route.method, route.path, route.answer)
        if route.method == "GET":
            app.router.add_route("HEAD", route.path, route.answer)
        known[route.answer] = route


def route_of(request: web.Request) -> Route | None:
    """Return the route that a request takes; None if there is none."""
    return request.app[ROUTE_OF].get(request.match_info.handler)


def is_api(request: web.Request) -> bool:
    """Say whether a program asks, which wants JSON, and not a person, who wants pages."""
    return request.path.startswith("/api/")
