"""Names to addresses: aiodns, and early, clear errors for names whose addresses are all refused."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import aiodns
import pycares
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import AsyncResolver

from relay.http.guard import AddressRefused

# Search domains would let a stranger's `db.default` reach into the operator's own zone.
_FLAGS = pycares.ARES_FLAG_NOSEARCH | pycares.ARES_FLAG_EDNS


# No errno of the kernel's, as the guard's is none.
NO_ANSWER_ERRNO: Final = 100_002
_NO_ANSWER = frozenset({
    aiodns.error.ARES_ETIMEOUT,
    aiodns.error.ARES_ECONNREFUSED,  # also when there is no descriptor left to ask with
    aiodns.error.ARES_ENOMEM,
})  # fmt: skip
_KNOWN_FOR = 5.0
"""Seconds that it is taken for known whether the name servers answer."""


class NoNameServer(OSError):  # noqa: N818 - it says what is the matter
    """The name servers answer nothing at all: that is our trouble, and no endpoint's."""

    def __init__(self, host: str) -> None:
        super().__init__(NO_ANSWER_ERRNO, f"no name server answers; asked for {host}")


class NameServers:
    """Whether the name servers answer anything, found out when they leave one question unanswered.

    A name whose own servers are dead looks the same from here as a resolver that is down. So something is asked that
    any resolver answers at once, be it with an error: the name servers of the root.

    Args:
        ask: Asks that; returns whether any answer came.
        clock: Monotonic seconds.

    Attributes:
        are_down: None answered when they were last asked.
    """

    def __init__(
        self, ask: Callable[[], Awaitable[bool]], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask = ask
        self._clock = clock
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()
        self.are_down = False

    async def answer(self) -> bool:
        """Return whether they do."""
        async with self._asking:
            if self._clock() - self._asked_at > _KNOWN_FOR:
                self.are_down = not await self._ask()
                self._asked_at = self._clock()
            return not self.are_down

    def answered(self) -> None:
        """Note that one did."""
        self.are_down = False


class FilteringResolver(AbstractResolver):
    """Leaves out the addresses that would be refused at the connection anyway.

    This gives a clear error before a socket is made. It is not the control: a literal address is never
    resolved. That is `guard.GuardedSocketFactory`.

    Args:
        inner: What asks the name servers; closed with this one.
        refuse: Why an address is refused, or None; usually `GuardedSocketFactory.refuse`.
        servers: Whom the inner one asks; None: nobody that could be down.
    """

    def __init__(
        self, inner: AbstractResolver, refuse: Callable[[str], str | None], servers: NameServers | None = None
    ) -> None:
        self._inner = inner
        self._refuse = refuse
        self._servers = servers

    @property
    def is_down(self) -> bool:
        """Whether no name server answered when one was last asked."""
        return self._servers is not None and self._servers.are_down

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of `host` that requests may go to.

        Raises:
            AddressRefused: It has addresses, and all are refused.
            NoNameServer: No name server answers anything.
            OSError: It has none, or none that its name servers tell.
        """
        try:
            found = await self._inner.resolve(host, port, family)
        except OSError as error:
            if self._servers and _has_no_answer(error) and not await self._servers.answer():
                raise NoNameServer(host) from error
            raise
        if self._servers is not None:
            self._servers.answered()
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
    loop = asyncio.get_running_loop()
    return FilteringResolver(
        AsyncResolver(loop, **options), refuse, NameServers(lambda: _is_answered(options))
    )


async def _is_answered(options: dict[str, object]) -> bool:
    """Ask for the name servers of the root, with a channel of its own: one may be broken for want of a descriptor."""
    asking = aiodns.DNSResolver(**{**options, "tries": 1})  # type: ignore[arg-type]  # as aiohttp hands them on
    try:
        await asking.query_dns(".", "NS")
    except aiodns.error.DNSError as error:
        return error.args[0] not in _NO_ANSWER
    finally:
        await asking.close()
    return True


def _has_no_answer(error: OSError) -> bool:
    cause = error.__cause__
    return isinstance(cause, aiodns.error.DNSError) and cause.args[0] in _NO_ANSWER
