"""What a relay does to its own process, and how it tells others apart."""

import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from relay.store import processes
from relay.store.processes import is_gone, this_process

LOOK = """
import ctypes, os, sys
from relay.process import keep_memory_private
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # as of any process that was started so
ready, done = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    if sys.argv[1] == "private":
        keep_memory_private()
    os.write(ready[1], b".")
    os.read(done[0], 1)
    os._exit(0)
os.read(ready[0], 1)
for name in ("mem", "environ", "maps"):
    try:
        open(f"/proc/{child}/{name}", "rb").close()
        print(name)
    except PermissionError:
        pass
os.write(done[1], b".")
os.waitpid(child, 0)
"""


@pytest.mark.parametrize("how", ["as usual", "private"])
def test_the_same_user_cannot_look_into_a_private_process(how: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOOK, how], capture_output=True, text=True, timeout=30, check=True
    )

    # Some systems keep the memory of all processes from everybody but root; the others, as usual, do not.
    seen = set(done.stdout.split()) - {"mem"} if how == "as usual" else set(done.stdout.split())
    assert seen == ({"environ", "maps"} if how == "as usual" else set())


def test_a_process_that_ended_is_gone_and_one_that_lives_is_not() -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeping:
        me = this_process()
        stat = Path(f"/proc/{sleeping.pid}/stat").read_text()
        other = replace(me, pid=sleeping.pid, started=stat[stat.rindex(")") + 2 :].split()[19])
        assert not is_gone(other)
        assert is_gone(replace(other, started="1")), "its number was given to another one"
        sleeping.kill()
        os.waitid(os.P_PID, sleeping.pid, os.WEXITED | os.WNOWAIT)
        assert is_gone(other), "a zombie"
    assert is_gone(other)
    assert not is_gone(replace(other, host=f"not-{platform.node()}"))
    assert not is_gone(replace(other, boot_id="another"))


def test_a_process_that_proc_hides_is_not_taken_for_gone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As it does under ProtectProc=invisible, with what belongs to others or is private."""
    me = this_process()
    with subprocess.Popen(["sleep", "60"]) as sleeping:
        other = replace(me, pid=sleeping.pid)
        hiding = tmp_path / "proc"
        (hiding / "self/ns").mkdir(parents=True)
        (hiding / "self/ns/pid").symlink_to(Path("/proc/self/ns/pid").readlink())
        (hiding / "sys/kernel/random").mkdir(parents=True)
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text()
        (hiding / "sys/kernel/random/boot_id").write_text(boot_id)
        monkeypatch.setattr(processes, "_PROC", hiding)
        assert not is_gone(other)
        sleeping.kill()
    assert is_gone(other)
