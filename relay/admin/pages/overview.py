"""The first page: how it goes."""

from aiohttp import web

from relay.admin.pages.rendering import render


async def overview(request: web.Request) -> web.StreamResponse:
    """Show how it goes."""
    return render(request, "overview.html")
