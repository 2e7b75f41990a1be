"""The relay without its guard, run as a program in its place: to measure what the guard costs."""

import socket
from typing import Any

import relay.app
from relay.__main__ import main


class NoGuard:
    """Makes a socket for any address, with the same receive buffer."""

    def __init__(self, policy: object, *, receive_buffer: int) -> None:
        self.policy = policy
        self._receive_buffer = receive_buffer

    def refuse(self, _address: str) -> None:
        """Refuse nothing."""

    def __call__(self, addr_info: tuple[Any, ...]) -> socket.socket:
        """Return a socket."""
        made = socket.socket(*addr_info[:3])
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
        return made


if __name__ == "__main__":
    setattr(relay.app, "GuardedSocketFactory", NoGuard)  # noqa: B010 - the name is not exported
    main()
