"""The HTTP side as the settings want it."""

import ssl
from collections.abc import Callable

from relay.config import Security
from relay.http.addresses import AddressPolicy
from relay.http.dns import make_resolver
from relay.http.guard import GuardedSocketFactory
from relay.http.transport import Transport
from relay.http.url import InvalidUrl, check_url


def address_policy(security: Security) -> AddressPolicy:
    """Return the rules on addresses, with the operator's exceptions."""
    return AddressPolicy(allow_cidrs=security.allow_cidrs, deny_cidrs=security.deny_cidrs)


def url_rule(security: Security) -> Callable[[str], str | None]:
    """Return a function that says why a URL can never be called, or None."""
    policy = address_policy(security)

    def refuse(url: str) -> str | None:
        try:
            check_url(url, allow_http=security.allow_http, allow_ports=security.allow_ports, policy=policy)
        except InvalidUrl as error:
            return f"{error.reason}: {error}"
        return None

    return refuse


def make_transport(security: Security, guard: GuardedSocketFactory) -> Transport:
    """Return a transport that goes only where the guard lets it; call it with a running event loop.

    Raises:
        OSError: The CA bundle cannot be read.
    """
    tls = ssl.create_default_context(cafile=None if security.ca_bundle is None else str(security.ca_bundle))
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    return Transport(socket_factory=guard, resolver=make_resolver(guard.refuse), tls=tls)
