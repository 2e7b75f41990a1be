"""Telling processes apart, so that leases of a dead one can be returned at once."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

_PROC = Path("/proc")
BOOT_ID = "BOOT_ID"
"""The environment variable in which a unit tells what /proc does not."""
_UNKNOWN = uuid4().hex
"""Nobody else's: whose boot is not known is never proven to be gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessIdentity:
    """What no two processes share.

    Attributes:
        host: Name of the machine.
        boot_id: Of its running kernel, and of the namespace that the pid belongs to.
        pid: Within that namespace.
        started: Clock ticks since boot, which tells a recycled pid.
    """

    host: str
    boot_id: str
    pid: int
    started: str


def this_process() -> ProcessIdentity:
    """Return who we are."""
    pid = os.getpid()
    return ProcessIdentity(host=platform.node(), boot_id=_boot_id(), pid=pid, started=_started(pid) or "")


def is_gone(process: ProcessIdentity) -> bool:
    """Say whether a process is proven to have ended; False if it may run where we cannot look."""
    if process.host != platform.node() or process.boot_id != _boot_id():
        return False
    started = _started(process.pid)
    return not _exists(process.pid) if started is None else started != process.started


def _boot_id() -> str:
    try:
        kernel = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:  # under ProcSubset=pid, where the unit tells it
        kernel = os.environ.get(BOOT_ID, "") or _UNKNOWN
    return f"{kernel.replace('-', '')} {(_PROC / 'self/ns/pid').readlink()}"


def _started(pid: int) -> str | None:
    """Return the start time of a living process, "" of a zombie, which has ended, and None if it cannot be seen."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    fields = text[text.rindex(")") + 2 :].split()
    return "" if fields[0] in {"Z", "X"} else fields[19]


def _exists(pid: int) -> bool:
    """Say whether there is a process of that number; under ProtectProc=invisible /proc hides those of others."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
