"""The OpenAPI document: what the routes and their models say, in the words that tools read (OpenAPI 3.1)."""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Literal

import orjson
from aiohttp import web
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from relay.admin.api.catalogue import ALL
from relay.admin.api.described import PREFIX, ApiRoute
from relay.admin.api.models.fields import PageOf, Problem
from relay.admin.api.reading import IDEMPOTENCY_KEY

Mode = Literal["validation", "serialization"]
Schemas = Mapping[Any, Mapping[str, Any]]

_REFERENCE = "#/components/schemas/{model}"
_ABOUT = """\
Relay's operations for programs: endpoints, events, deliveries, and changes of many of them.

Show a token with every request: `Authorization: Bearer TOKEN`. `relay token create NAME --scope SCOPE` makes one; the
scope `read` sees, `operate` also retries, replays, pauses and publishes, `admin` also manages endpoints and tokens. A
token that is bound to a tenant sees and changes what is that tenant's, and the rest does not exist for it.

What is unknown in a query or a body is an error. More fields may come in answers with later versions."""
_PROBLEMS = {
    "400": "The body is no JSON.",
    "401": "No token was shown, or it is worth nothing.",
    "403": "The token may not do this.",
    "404": "There is no such thing.",
    "409": "Its state does not allow this.",
    "413": "The body is too large.",
    "415": "The body is not announced as JSON.",
    "421": "The panel does not go by this host name.",
    "422": "Something in the request cannot be used.",
    "429": "Too many wrong tokens came from there.",
    "503": "The database does not answer, or not in time.",
}
_ALWAYS = ("401", "403", "421", "422", "429", "503")
_IDS: Mapping[str, Mapping[str, Any]] = {
    "operation_id": {"type": "integer", "minimum": 1, "maximum": 999_999_999_999_999_999},
    "endpoint_id": {"type": "string", "format": "uuid"},
    "event_id": {"type": "string", "format": "uuid"},
    "token_id": {"type": "string", "format": "uuid"},
}


async def serve(_request: web.Request) -> web.StreamResponse:
    """Return the document; it says nothing of what is stored, and so needs no token."""
    return web.Response(body=_text(), content_type="application/json")


@cache
def document() -> dict[str, Any]:
    """Return the document."""
    schemas, definitions = models_json_schema(list(_models(ALL)), ref_template=_REFERENCE)
    paths: dict[str, dict[str, Any]] = {}
    for route in ALL:
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Relay", "version": "1", "description": _ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "tags": [{"name": name} for name in dict.fromkeys(route.tag for route in ALL)],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {code: _problem(code) for code in _PROBLEMS},
            "schemas": definitions["$defs"],
        },
    }


@cache
def _text() -> bytes:
    return orjson.dumps(document())


def _models(routes: Iterable[ApiRoute]) -> Iterable[tuple[type[BaseModel], Mode]]:
    yield Problem, "serialization"
    for route in routes:
        yield route.answer, "serialization"
        if route.body is not None:
            yield route.body, "validation"


def _operation(route: ApiRoute, schemas: Schemas) -> dict[str, Any]:
    about = f"{route.note}\n\n" if route.note else ""
    described: dict[str, Any] = {
        "tags": [route.tag],
        "operationId": route.call.__name__,
        "summary": route.summary,
        "description": f"{about}Needs the scope `{route.scope}`"
        + ("." if route.for_tenants else ", of a token that is not bound to a tenant."),
        "parameters": [*_path_parameters(route), *_query_parameters(route), *_header_parameters(route)],
        "responses": _responses(route, schemas),
    }
    if route.body is not None:
        described["requestBody"] = {
            "required": not route.is_body_optional,
            "content": {"application/json": {"schema": schemas[route.body, "validation"]}},
        }
    return described


def _path_parameters(route: ApiRoute) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": _IDS[name]}
        for name in re.findall(r"{(\w+)}", route.path)
    ]


def _query_parameters(route: ApiRoute) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    fields = route.query.model_json_schema()["properties"]
    return [_query_parameter(name, dict(schema)) for name, schema in fields.items()]


def _query_parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    schema.pop("title", None)
    description = schema.pop("description", None)
    # What a query leaves out is null; it cannot say so.
    kinds = [each for each in schema.pop("anyOf", []) if each != {"type": "null"}]
    if kinds:
        schema = {**kinds[0], **{key: value for key, value in schema.items() if key != "default"}}
    about = {"description": description} if description else {}
    return {"name": name, "in": "query", "required": False, **about, "schema": schema}


def _header_parameters(route: ApiRoute) -> list[dict[str, Any]]:
    if not route.creates_once:
        return []
    return [
        {
            "name": IDEMPOTENCY_KEY,
            "in": "header",
            "required": False,
            "description": "The same request under the same key within a day creates nothing, and is answered "
            "as the first one was, with 200.",
            "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
        }
    ]


def _responses(route: ApiRoute, schemas: Schemas) -> dict[str, Any]:
    good: dict[str, Any] = {
        "description": "Done.",
        "content": {"application/json": {"schema": schemas[route.answer, "serialization"]}},
    }
    if issubclass(route.answer, PageOf):
        link = {"description": "Where the next page is, as `rel=next`.", "schema": {"type": "string"}}
        good["headers"] = {"Link": link}
    codes = set(_ALWAYS)
    if "{" in route.path:
        codes.add("404")
    if route.method != "GET":
        codes |= {"409"}
    if route.body is not None:
        codes |= {"400", "413", "415"}
    if route.creates_once:
        codes.add("404")
    answers = {str(route.status): good}
    if route.creates_once:
        answers["200"] = {**good, "description": "It was created before, under the same key."}
    return {**answers, **{code: {"$ref": f"#/components/responses/{code}"} for code in sorted(codes)}}


def _problem(code: str) -> dict[str, Any]:
    return {
        "description": _PROBLEMS[code],
        "content": {"application/problem+json": {"schema": {"$ref": _REFERENCE.format(model="Problem")}}},
    }
