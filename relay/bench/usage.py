"""What processes use of the machine, from /proc: see proc(5)."""

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

_TICK = 1 / os.sysconf("SC_CLK_TCK")
_UTIME, _CUTIME = 11, 13
"""Places of the times after the process's name, which ends with the last bracket: field 14 of stat is utime."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """Whose use is told apart.

    Attributes:
        relay: The daemon, or what else delivers.
        postmaster: PostgreSQL's first process; its children count as PostgreSQL.
        sink: The receiver.
        not_counted: Children of the postmaster that serve whoever measures.
    """

    relay: int
    postmaster: int
    sink: int
    not_counted: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Seconds of CPU that were used: since they began, or between two looks."""

    relay: float
    postgres: float
    sink: float

    def since(self, before: "Usage") -> "Usage":
        """Return what was used after an earlier look."""
        return Usage(
            relay=self.relay - before.relay,
            postgres=self.postgres - before.postgres,
            sink=self.sink - before.sink,
        )


def usage_of(processes: Processes) -> Usage:
    """Look at what the processes have used so far; one that has ended counts as 0."""
    return Usage(
        relay=cpu_of_tree(processes.relay),
        postgres=cpu_of_tree(processes.postmaster, but=processes.not_counted),
        sink=cpu_of(processes.sink),
    )


def cpu_of(pid: int) -> float:
    """Return the seconds of CPU that a process has used with all its threads."""
    times = _times(pid)
    return (times[0] + times[1]) * _TICK


def cpu_of_tree(pid: int, *, but: Collection[int] = ()) -> float:
    """Return the same with its children, the living ones and those that it has outlived."""
    return sum(_times(pid)) * _TICK + sum(
        cpu_of_tree(child, but=but) for child in children(pid) if child not in but
    )


def peak_rss_mb(pid: int) -> float:
    """Return the most memory that the process has had resident, in MB of a million bytes."""
    return _status_kb(pid, "VmHWM") * 1024 / 1e6


def rss_mb(pid: int) -> float:
    """Return the memory that the process has resident now, in MB of a million bytes."""
    return _status_kb(pid, "VmRSS") * 1024 / 1e6


def children(pid: int) -> list[int]:
    """Return the living children of a process."""
    return [int(child) for task in _tasks(pid) for child in _read(task / "children").split()]


def _tasks(pid: int) -> Iterator[Path]:
    try:
        yield from Path(f"/proc/{pid}/task").iterdir()
    except FileNotFoundError:
        return


def _times(pid: int) -> list[int]:
    """Return its ticks in user and kernel mode, and the same of the children that it has waited for."""
    fields = _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return [int(field) for field in fields[_UTIME : _CUTIME + 2]] or [0, 0, 0, 0]


def _status_kb(pid: int, name: str) -> int:
    for line in _read(Path(f"/proc/{pid}/status")).splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0])
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
