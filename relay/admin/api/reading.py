"""Reading what programs send: exactly what is known, each of its own type, or an error that names it."""

import re
from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from relay.admin.api.models.fields import Given
from relay.admin.problems import Problem, ProblemError

IDEMPOTENCY_KEY = "Idempotency-Key"
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")
_MOST_ERRORS = 20

Model = TypeVar("Model", bound=Given)


def read_query(request: web.Request, model: type[Model] | None) -> Model | None:
    """Return what stands in the query.

    Raises:
        ProblemError: Something there is unknown, twice, or cannot be used (422).
    """
    given: dict[str, str] = {}
    for name, value in request.query.items():
        if name in given:
            raise invalid([(name, "is given twice; give it once")])
        given[name] = value
    if model is None:
        if given:
            raise invalid([(name, "is not known; this address takes no query") for name in given])
        return None
    try:
        return model.model_validate_strings(given)
    except ValidationError as error:
        raise _invalid(error, model) from error


async def read_body(
    request: web.Request, model: type[Model] | None, *, is_optional: bool
) -> tuple[Model | None, str]:
    """Return what is sent, and its text.

    Raises:
        ProblemError: It is no JSON (400, 415), or something in it is unknown or cannot be used (422).
    """
    sent = await request.read() if request.can_read_body else b""
    if model is None:
        if sent.strip() not in {b"", b"{}"}:
            raise invalid([("body", "is not known; this address takes none")])
        return None, ""
    if not sent and is_optional:
        sent = b"{}"
    elif request.content_type != "application/json":
        raise ProblemError(
            Problem(status=415, code="not_json", detail="send the body with Content-Type: application/json")
        )
    try:
        return model.model_validate_json(sent), sent.decode()
    except ValidationError as error:
        raise _invalid(error, model) from error


def read_ids(request: web.Request) -> dict[str, Any]:
    """Return what stands in the path; what cannot be an id is nobody's, and so not there.

    Raises:
        ProblemError: One cannot be (404).
    """
    return {name: _id(name, text) for name, text in request.match_info.items()}


def read_idempotency_key(request: web.Request) -> str | None:
    """Return the key under which a request may be repeated; None if it may not.

    Raises:
        ProblemError: It is none (422).
    """
    key = request.headers.get(IDEMPOTENCY_KEY)
    if key is not None and not _KEY.fullmatch(key):
        raise invalid([(IDEMPOTENCY_KEY, "is not 1 to 255 visible ASCII characters; use for example a UUID")])
    return key


def invalid(errors: Sequence[tuple[str, str]]) -> ProblemError:
    """Return the problem of fields that cannot be used, each with its reason."""
    text = "; ".join(f"{name} {reason}" for name, reason in errors)
    listed = [{"field": name, "reason": reason} for name, reason in errors]
    return ProblemError(Problem(status=422, code="invalid", detail=text[:1000], extra={"errors": listed}))


def _id(name: str, text: str) -> Any:
    try:
        if name == "operation_id":
            return int(text) if _NUMBER.fullmatch(text) else _no_id(name, text)
        # UUID() also reads braces and URNs, which would give one thing several addresses.
        found = UUID(text)
        return found if str(found) == text.lower() else _no_id(name, text)
    except ValueError:
        return _no_id(name, text)


def _no_id(name: str, text: str) -> Any:
    kind = name.removesuffix("_id")
    raise ProblemError(
        Problem(status=404, code="not_found", detail=f"there is no {kind} {ascii(text)[:60]}; that is no id")
    )


def _invalid(error: ValidationError, model: type[BaseModel]) -> ProblemError:
    details = error.errors(include_url=False, include_input=False, include_context=False)
    if details[0]["type"] == "json_invalid":
        return ProblemError(
            Problem(status=400, code="malformed", detail=f"the body is not JSON: {details[0]['msg']}")
        )
    return invalid([_described(each, model) for each in details[:_MOST_ERRORS]])


def _described(details: ErrorDetails, model: type[BaseModel]) -> tuple[str, str]:
    place = details["loc"]
    name = ".".join(str(part) for part in place)[:200].encode("utf-8", "backslashreplace").decode() or "body"
    if details["type"] == "extra_forbidden":
        return name, f"is not known; known are: {', '.join(_known(model, place[:-1]))}"
    message = details["msg"].removeprefix("Value error, ")
    return name, f"cannot be used: {message[:1].lower()}{message[1:]}"


def _known(model: type[BaseModel], place: Sequence[int | str]) -> list[str]:
    for part in place:
        inner = model.model_fields[str(part)].annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        model = inner
    return sorted(model.model_fields)
