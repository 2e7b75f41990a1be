"""A real systemd as process 1 of namespaces of its own, over a copy of this machine's root that is gone afterwards."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.daemon import CHECKOUT
from tests.support.waiting import LIMIT

SCRIPT = Path(__file__).with_name("booted.sh")
SYSTEMD = Path("/lib/systemd/systemd")
PYTHON = Path("/opt/python/bin") / f"python{sys.version_info.major}.{sys.version_info.minor}"
"""Where a service finds this Python: not in a home, which services do not see."""
ENVIRONMENT = {"PYTHONPATH": "/opt/relay:/opt/packages", "LD_LIBRARY_PATH": "/opt/python/lib"}
_NAMESPACES = ("--mount", "--pid", "--uts", "--ipc", "--cgroup")
_PR_SET_PDEATHSIG = 1


def why_not() -> str | None:
    """Return what is missing for it here, with its cure, or None."""
    if os.geteuid() != 0:
        return "needs root, for namespaces; run the tests as root"
    if not SYSTEMD.exists():
        return "no systemd; apt-get install systemd"
    if missing := [name for name in ("unshare", "nsenter", "pivot_root", "mount") if not shutil.which(name)]:
        return f"no {', '.join(missing)}; apt-get install util-linux mount"
    return None if _cgroups() else "no cgroup2 is mounted; mount -t cgroup2 cgroup2 /sys/fs/cgroup"


class Booted:
    """The running system.

    Attributes:
        root: Its root, as seen from here.
    """

    def __init__(self, init: int, output: Path) -> None:
        self._init = init
        self._output = output
        self.root = Path(f"/proc/{init}/root")

    @property
    def output(self) -> str:
        """The end of what systemd itself said."""
        return self._output.read_text(encoding="utf-8", errors="replace")[-2000:]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in it; whether it succeeded is the caller's to say."""
        inside = ["nsenter", f"--target={self._init}", *_NAMESPACES, "--root", "--wd", "--", *command]
        return subprocess.run(inside, capture_output=True, text=True, timeout=LIMIT * 3, check=False)

    def show(self, unit: str, *names: str) -> dict[str, str]:
        """Return properties of a unit, as `systemctl show` has them."""
        done = self.run("systemctl", "show", unit, f"--property={','.join(names)}")
        return dict(line.split("=", 1) for line in done.stdout.splitlines())


@contextmanager
def booted(folder: Path, *, postgres: Path) -> Iterator[Booted]:
    """Run the system for the length of the block.

    Args:
        folder: An empty one.
        postgres: The folder of a server's socket, which is /run/postgresql in it.

    Raises:
        OSError: It does not come up here; the message says what it said.
    """
    cgroup = Path(str(_cgroups())) / f"relay-test-{os.getpid()}"
    cgroup.mkdir()
    places = (folder, postgres, Path(sys.base_prefix), Path(sysconfig.get_path("purelib")), CHECKOUT)
    output = folder.with_suffix(".log")
    prctl = ctypes.CDLL(None).prctl

    def enter() -> None:
        (cgroup / "cgroup.procs").write_text("0", encoding="ascii")
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    with output.open("wb") as log:
        unshared = subprocess.Popen(
            ["unshare", *_NAMESPACES, "--fork", "--kill-child", "sh", str(SCRIPT), *map(str, places)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=enter,  # noqa: PLW1509 - it does nothing that another thread could keep it from
        )
    try:
        yield _wait_for(unshared, output)
    finally:
        unshared.kill()
        unshared.wait()
        _remove(cgroup)


def _wait_for(unshared: "subprocess.Popen[bytes]", output: Path) -> Booted:
    """Wait until process 1 in there has started what it starts by itself."""
    children = Path(f"/proc/{unshared.pid}/task/{unshared.pid}/children")
    deadline = time.monotonic() + LIMIT
    while unshared.poll() is None and time.monotonic() < deadline:
        for child in children.read_text(encoding="ascii").split():
            system = Booted(int(child), output)
            if system.run("systemctl", "is-active", "basic.target").stdout.strip() == "active":
                return system
        time.sleep(0.1)
    raise OSError(output.read_text(encoding="utf-8", errors="replace")[-2000:])


def _cgroups() -> Path | None:
    """Return where this process's cgroup of version 2 is, or None."""
    lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    own = next((line[3:] for line in lines if line.startswith("0::")), "")
    for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2" and own:
            return Path(where + own)
    return None


def _remove(cgroup: Path) -> None:
    """Remove a cgroup and those in it, once the last process is gone."""
    deadline = time.monotonic() + LIMIT
    while cgroup.exists():
        for folder in (*sorted(cgroup.rglob("*/"), reverse=True), cgroup):
            try:
                folder.rmdir()
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
                break
