"""Bodies of requests: read whole and in time, or refused before they cost anything."""

import asyncio

from aiohttp import hdrs, web

from relay.admin.problems import Problem, ProblemError

BODY_LIMIT = 1024 * 1024
"""Bytes of a body, at most."""
PATIENCE = 20.0
"""Seconds that a body may take; aiohttp would wait for one as long as the connection stands."""


async def receive(request: web.Request) -> None:
    """Read the body, so that whoever asks for it later need not wait.

    Compressed ones are refused, since a few bytes may be a thousand times as many, and those in parts, which nothing
    here sends and which cost much to take apart.

    Raises:
        ProblemError: It is one of those (415), no form that can be read (400), or does not come (408).
        HTTPRequestEntityTooLarge: It is too large.
    """
    if not request.can_read_body:
        return
    if hdrs.CONTENT_ENCODING in request.headers or request.content_type.startswith("multipart/"):
        raise _refused(415, "send the body as it is: neither compressed nor in parts")
    try:
        async with asyncio.timeout(PATIENCE):
            await request.read()
    except TimeoutError:
        raise _refused(408, f"the body did not come within {PATIENCE:.0f} s; send it at once") from None
    try:
        await request.post()
    except (ValueError, LookupError):  # LookupError: of a charset that nobody knows
        raise _refused(400, "the form cannot be read; send it as UTF-8") from None


def _refused(status: int, detail: str) -> ProblemError:
    # What of the body is still to come is not waited for.
    headers: dict[str, str] = {hdrs.CONNECTION: "close"}
    return ProblemError(Problem(status=status, code="body", detail=detail, headers=headers))
