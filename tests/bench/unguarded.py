"""The relay without its guard, run as a program in its place: to measure what the guard costs."""

import socket
from typing import Any

import relay.app
from relay.__main__ import main
from relay.http.guard import RECEIVE_BUFFER


class NoGuard:
    """Makes a socket for any address, with the same receive buffer."""

    def __init__(self, policy: object) -> None:
        self.policy = policy

    def refuse(self, _address: str) -> None:
        """Refuse nothing."""

    def __call__(self, addr_info: tuple[Any, ...]) -> socket.socket:
        """Return a socket."""
        made = socket.socket(*addr_info[:3])
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        return made


if __name__ == "__main__":
    setattr(relay.app, "GuardedSocketFactory", NoGuard)  # noqa: B010 - the name is not exported
    main()
