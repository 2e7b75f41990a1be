"""Telling systemd how the process fares: sd_notify(3) and the watchdog, by hand since it is one datagram."""

import asyncio
import os
import socket
import time

_LONGEST_WAIT = 1.0


def notify(**state: str) -> bool:
    """Send variables such as READY="1" to the service manager.

    Returns:
        Whether they were sent. Without $NOTIFY_SOCKET nobody listens, and a failure must stop nothing.
    """
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path.startswith(("/", "@")):
        return False
    address = "\0" + path[1:] if path.startswith("@") else path
    lines = (f"{name}={value.replace(chr(10), ' ')}" for name, value in state.items())
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
            datagrams.settimeout(_LONGEST_WAIT)
            datagrams.sendto("\n".join(lines).encode("utf-8", "replace"), address)
    except OSError:
        return False
    return True


def ready() -> bool:
    """Say that start-up or a reload is finished."""
    return notify(READY="1")


def reloading() -> bool:
    """Say that the configuration is being read again, and since when; `ready` ends it."""
    return notify(RELOADING="1", MONOTONIC_USEC=str(time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000))


def stopping() -> bool:
    """Say that the process has begun to stop."""
    return notify(STOPPING="1")


def status(text: str) -> bool:
    """Set the line that `systemctl status` shows."""
    return notify(STATUS=text)


def watchdog_interval() -> float | None:
    """Return after how many seconds without a ping systemd kills this process; None if it does not."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    if not (microseconds.isascii() and microseconds.isdigit()):
        return None
    return int(microseconds) / 1e6 or None


async def keep_watchdog(interval: float | None) -> None:
    """Ping at twice the needed rate for as long as the loop turns: a loop that is blocked gets no ping.

    Args:
        interval: What `watchdog_interval` returned; with None this returns at once.
    """
    while interval is not None:
        notify(WATCHDOG="1")
        await asyncio.sleep(interval / 2)
