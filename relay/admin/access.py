"""From where the panel may be asked at all: which host names, which pages; and what browsers are told to refuse."""

from collections.abc import Awaitable, Callable, Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from relay.admin.problems import Problem, ProblemError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""Nothing inline, nothing from elsewhere: what strangers write is text, even if a page forgot to escape it."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def check_host(request: web.Request, allowed: Collection[str]) -> None:
    """Refuse a request that came by a name which is not the panel's: a stranger's page may have given it our address.

    An IP address is no such name: nobody can make it lead elsewhere.

    Raises:
        ProblemError: It did.
    """
    host = host_of(request)
    if host in allowed or _is_address(host):
        return
    shown = host.encode("ascii", "backslashreplace").decode("ascii")[:100]
    raise ProblemError(
        Problem(
            status=421,
            code="host_not_allowed",
            detail=f"this panel does not go by the name {shown or '(none)'}; "
            "add it to admin.allowed_hosts if it should",
        )
    )


def check_origin(request: web.Request) -> None:
    """Refuse a change that a page of another site asks for, which browsers say in Origin or Sec-Fetch-Site.

    Raises:
        ProblemError: It is one.
    """
    if request.method in SAFE_METHODS:
        return
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    origin = request.headers.get(hdrs.ORIGIN)
    is_ours = origin is None or urlsplit(origin).netloc.lower() == request.headers.get(hdrs.HOST, "").lower()
    if site not in {"same-origin", "none"} or not is_ours:
        raise ProblemError(
            Problem(
                status=403, code="cross_site", detail="another site asked for this; open the panel itself"
            )
        )


def protect(request: web.Request, response: web.StreamResponse) -> None:
    """Tell the browser what it must refuse to do with an answer; before its headers are sent."""
    response.headers.update(HEADERS)
    response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
    response.headers.popall(hdrs.SERVER, None)
    if request.secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"


def host_of(request: web.Request) -> str:
    """Return the name by which somebody asks, in lower case and without a port."""
    host = request.headers.get(hdrs.HOST, "").lower()
    name, _, port = host.rpartition(":")
    return name if name and port.isdecimal() else host


def peer_of(request: web.Request, *, behind_proxy: bool) -> str:
    """Return who asks: the address of the connection, or what the proxy in front says it is."""
    if behind_proxy:
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", [])).rpartition(",")[2].strip()
        if forwarded:
            return forwarded[:100]
    return request.remote or "this machine"


def _is_address(host: str) -> bool:
    try:
        ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
