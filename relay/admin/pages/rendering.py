"""Turns templates into pages; what comes from outside is text in them, never markup."""

from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from aiohttp import web

from relay.admin.auth import CSRF_FIELD
from relay.admin.context import PRINCIPAL

TEMPLATES = Path(__file__).parents[1] / "templates"


@cache
def environment() -> jinja2.Environment:
    """Return what knows the templates: everything is escaped, and a name that is not there is an error."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
    """Return a page made of a template.

    Args:
        request: Whose; templates see who asks as `principal`, None if nobody is signed in.
        template: Its name.
        status: Of the answer.
        values: What it shows.
    """
    principal = request.get(PRINCIPAL)
    text = (
        environment()
        .get_template(template)
        .render(
            principal=principal,
            csrf_field=CSRF_FIELD,
            csrf_token="" if principal is None else principal.csrf_token or "",
            path=request.path,
            **values,
        )
    )
    return web.Response(status=status, text=text, content_type="text/html")
