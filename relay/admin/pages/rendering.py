"""Turns templates into pages; what comes from outside is text in them, never markup."""

from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from aiohttp import web

from relay.admin.auth import CSRF_FIELD
from relay.admin.context import PRINCIPAL
from relay.admin.pages import charts, texts
from relay.admin.pages.flash import pop_flash
from relay.admin.pages.static import path_of
from relay.admin.principal import Principal

TEMPLATES = Path(__file__).parents[1] / "templates"


@cache
def environment() -> jinja2.Environment:
    """Return what knows the templates: everything is escaped, and a name that is not there is an error."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=texts.shown,
    )
    made.filters.update(
        exact=texts.exact,
        coded=texts.coded,
        when=texts.when,
        span=texts.span,
        age=texts.age,
        number=texts.number,
        percent=texts.percent,
        milliseconds=texts.milliseconds,
        short=texts.short,
        duration=texts.duration,
        laid_out=texts.laid_out,
        json=texts.json,
    )
    made.globals.update(
        static=path_of,
        sparkline=charts.sparkline,
        bars=charts.bars,
        csrf_field=CSRF_FIELD,
        none_sign=texts.NONE,
    )
    return made


def fragment(template: str, principal: Principal | None, **values: Any) -> str:
    """Return the text of a template; it sees who asks as `principal`, None if nobody is signed in."""
    csrf_token = "" if principal is None else principal.csrf_token or ""
    return environment().get_template(template).render(principal=principal, csrf_token=csrf_token, **values)


def render(request: web.Request, template: str, *, status: int = 200, **values: Any) -> web.Response:
    """Return a page made of a template.

    Args:
        request: Whose.
        template: Its name.
        status: Of the answer.
        values: What it shows.
    """
    response = web.Response(status=status, content_type="text/html", charset="utf-8")
    principal = request.get(PRINCIPAL)
    flash = pop_flash(request, response)
    response.text = fragment(template, principal, path=request.path, flash=flash, **values)
    return response
