"""What went wrong with a request, as a status and a sentence; and as JSON by RFC 9457 for programs."""

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import asyncpg
import orjson
from aiohttp import web

from relay.admin.operations.errors import InvalidInput, NotFound, Refused
from relay.store.session import DatabaseAway, ValueRefused
from relay.store.session_pool import AllBusy

AWAY = (
    "The database does not answer. Nothing is lost: what applications commit is sent when it is back. "
    "Look whether PostgreSQL runs and whether Relay may connect to it; the log's database.lost says why it cannot."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a request was not done.

    Attributes:
        status: Of HTTP.
        detail: What the matter is and what to do, for a person.
        code: The same for a program, in one word that stays.
        extra: More members for a program.
        headers: To be sent along.
    """

    status: int
    detail: str
    code: str
    extra: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The status in words."""
        return HTTPStatus(self.status).phrase


class ProblemError(Exception):
    """Ends a request with this problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def problem_of(error: Exception) -> Problem | None:  # noqa: PLR0911 - one line for each kind of error
    """Return the problem that an exception means; None if it is a fault of ours."""
    match error:
        case ProblemError():
            return error.problem
        case NotFound():
            return Problem(status=404, code="not_found", detail=str(error))
        case Refused():
            return Problem(status=409, code="conflict", detail=str(error))
        case InvalidInput():
            return Problem(status=422, code="invalid", detail=str(error))
        case DatabaseAway():
            return Problem(status=503, code="database_away", detail=AWAY, headers={"Retry-After": "5"})
        case AllBusy():
            return Problem(status=503, code="busy", detail=str(error), headers={"Retry-After": "5"})
        case ValueRefused() | asyncpg.DataError():
            return Problem(status=422, code="invalid", detail=f"a value cannot be used: {error}")
        case asyncpg.QueryCanceledError():
            return Problem(status=503, code="too_slow", detail="the question took too long; narrow it down")
        case web.HTTPException():
            return _of_http(error)
        case _:
            return None


def as_json(problem: Problem) -> web.Response:
    """Return the answer to a program (RFC 9457)."""
    body = {
        "type": "about:blank",
        "title": problem.title,
        "status": problem.status,
        "code": problem.code,
        "detail": problem.detail,
        **problem.extra,
    }
    return web.Response(
        status=problem.status,
        body=orjson.dumps(body),
        content_type="application/problem+json",
        headers=problem.headers,
    )


def _of_http(error: web.HTTPException) -> Problem | None:
    """Return the problem of what aiohttp itself refuses: unknown paths, wrong methods, bodies that are too large."""
    if error.status < HTTPStatus.BAD_REQUEST:
        return None
    details = {
        404: "there is nothing at this address",
        405: "this address does not take this method",
        413: "the body is too large",
    }
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    code = HTTPStatus(error.status).phrase.lower().replace(" ", "_")
    return Problem(
        status=error.status, code=code, detail=details.get(error.status, str(error.reason)), headers=headers
    )
