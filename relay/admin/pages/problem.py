"""What a person sees when something went wrong."""

from urllib.parse import quote

from aiohttp import web

from relay.admin.pages.rendering import render
from relay.admin.problems import Problem


async def problem_page(request: web.Request, problem: Problem) -> web.StreamResponse:
    """Return the page that says what the matter is and what to do; who is not signed in is asked to."""
    if problem.code == "not_signed_in" and request.method in {"GET", "HEAD"}:
        return web.Response(
            status=303, headers={"Location": f"/sign-in?next={quote(request.path_qs, safe='')}"}
        )
    page = render(request, "problem.html", status=problem.status, problem=problem)
    page.headers.update(problem.headers)
    return page
