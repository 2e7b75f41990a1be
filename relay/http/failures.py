"""Which kind of failure an exception of the HTTP client means."""

import errno

import aiohttp

from relay.http.dns import NO_ANSWER_ERRNO
from relay.http.guard import is_refusal
from relay.model import ErrorCode, Failure

_OWN_FAULTS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL})

_LONGEST = 500


def failure_of(error: BaseException) -> Failure:
    """Return what `error`, raised while a request was made, means for its delivery."""
    if is_refusal(error):
        return Failure(code="not_allowed", message=_text(error))
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and _errno(error) in _OWN_FAULTS):
        return Failure(code="connect", message=_text(error), is_own_fault=True)
    if isinstance(error, OSError) and _errno(error) == NO_ANSWER_ERRNO:
        return Failure(code="dns", message=_text(error), is_own_fault=True)
    if isinstance(error, aiohttp.InvalidURL):
        return Failure(code="not_allowed", message=_text(error), is_final=True)
    return Failure(code=_code(error), message=_text(error))


def _code(error: BaseException) -> ErrorCode:
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "dns"
        case aiohttp.ClientSSLError():
            return "tls"
        case aiohttp.ClientConnectorError():
            return "connect"
        case aiohttp.ServerDisconnectedError() if not isinstance(error.message, str):
            return "protocol"
        case aiohttp.ServerDisconnectedError() | OSError():
            return "reset"
        case _:
            return "protocol"


def _errno(error: OSError) -> int | None:
    inner = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    return inner.errno


def _text(error: BaseException) -> str:
    if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(error, aiohttp.ClientSSLError):
        # aiohttp's own text tells of its options; where to and why is what a person needs.
        cause = error.os_error.strerror or str(error.os_error)
        return f"{error.host}:{error.port}: {cause}"[:_LONGEST]
    return str(error)[:_LONGEST] or type(error).__name__
