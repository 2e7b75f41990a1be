"""Names to addresses: aiodns, and early, clear errors for names whose addresses are all refused."""

import asyncio
import socket
from collections.abc import Callable, Sequence

import pycares
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import AsyncResolver

from relay.http.guard import AddressRefused

# Search domains would let a stranger's `db.default` reach into the operator's own zone.
_FLAGS = pycares.ARES_FLAG_NOSEARCH | pycares.ARES_FLAG_EDNS


class FilteringResolver(AbstractResolver):
    """Leaves out the addresses that would be refused at the connection anyway.

    This gives a clear error before a socket is made. It is not the control: a literal address is never
    resolved. That is `guard.GuardedSocketFactory`.

    Args:
        inner: What asks the name servers; closed with this one.
        refuse: Why an address is refused, or None; usually `GuardedSocketFactory.refuse`.
    """

    def __init__(self, inner: AbstractResolver, refuse: Callable[[str], str | None]) -> None:
        self._inner = inner
        self._refuse = refuse

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of `host` that requests may go to.

        Raises:
            AddressRefused: It has addresses, and all are refused.
            OSError: It has none, or no name server answered.
        """
        found = await self._inner.resolve(host, port, family)
        reasons = {result["host"]: self._refuse(result["host"]) for result in found}
        allowed = [result for result in found if reasons[result["host"]] is None]
        if found and not allowed:
            listed = ", ".join(f"{address} ({reason})" for address, reason in list(reasons.items())[:4])
            raise AddressRefused(host, f"a name for {listed}")
        return allowed

    async def close(self) -> None:
        """Close the resolver inside."""
        await self._inner.close()


def make_resolver(
    refuse: Callable[[str], str | None],
    *,
    nameservers: Sequence[str] | None = None,
    timeout: float = 2.0,
    tries: int = 2,
) -> FilteringResolver:
    """Return a filtering resolver over aiodns, which no number of dead names can starve.

    aiohttp's own default may be a pool of threads, of which a handful of dead names takes all.

    Args:
        refuse: Why an address is refused, or None.
        nameservers: Addresses of name servers; None takes those of /etc/resolv.conf.
        timeout: Seconds to wait for the first answer; each further try waits longer.
        tries: Questions to each name server.
    """
    options: dict[str, object] = {"timeout": timeout, "tries": tries, "flags": _FLAGS}
    if nameservers is not None:
        options["nameservers"] = list(nameservers)
    return FilteringResolver(AsyncResolver(asyncio.get_running_loop(), **options), refuse)
