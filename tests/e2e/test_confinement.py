"""A real run stays within what the unit allows."""

import asyncio
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from relay.shipped_files import shipped
from relay.store.processes import BOOT_ID
from tests.support.certificates import make_certificate, server_side
from tests.support.daemon import Sections
from tests.support.families import MACHINES
from tests.support.receiver import Receiver
from tests.support.world import World

FILTER = re.compile(r"^SystemCallFilter=(~?)(.+)$", re.MULTILINE)
CALL = re.compile(r"^\d+ +(?:<\.\.\. )?([a-z_0-9]+)(?:\(| resumed)")
FAMILY = re.compile(r"^\d+ +socket\((AF_[A-Z0-9]+)", re.MULTILINE)
FAMILIES = re.compile(r"^RestrictAddressFamilies=(.+)$", re.MULTILINE)
CONFINED = """
import socket
try:
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
except OSError as error:
    print(error.strerror)
print(bool(socket.getaddrinfo("localhost", 80, flags=socket.AI_ADDRCONFIG)))
"""
BOOT = "0123456789abcdef0123456789abcdef"
MDWE = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(65, 1, 0, 0, 0):
    sys.exit(f"PR_SET_MDWE: {os.strerror(ctypes.get_errno())}")
os.execv(sys.argv[1], sys.argv[1:])
"""


def calls_of(group: str) -> set[str]:
    """Return the system calls of a group, as systemd knows them."""
    done = subprocess.run(
        ["systemd-analyze", "syscall-filter", "--no-pager", group], capture_output=True, text=True, check=True
    )
    names = [line.split("#")[0].strip() for line in done.stdout.splitlines()[1:]]
    return {name for each in names if each for name in (calls_of(each) if each.startswith("@") else {each})}


def unit() -> str:
    return shipped("systemd/relay.service").read_text(encoding="utf-8")


def allowed_families() -> list[str]:
    (names,) = FAMILIES.findall(unit())
    return [str(name) for name in names.split()]


def allowed_calls() -> set[str]:
    allowed: set[str] = set()
    for takes_away, groups in FILTER.findall(unit()):
        named = {call for group in groups.split() for call in calls_of(group)}
        allowed = allowed - named if takes_away else allowed | named
    return allowed


def trusting(certificate: Path) -> Sections:
    return {"security": {"allow_http": True, "allow_cidrs": ["127.0.0.0/8"], "ca_bundle": str(certificate)}}


async def work(world: World, certificate: Path) -> None:
    """Publish events, and have them delivered in the clear and with TLS."""
    async with Receiver(tls=server_side(certificate)) as secure:
        for receiver in (world.receiver, secure):
            await world.application.add_endpoint(receiver.url())
        ids = await world.application.insert_all(['{"id": 1}'] * 20)
        await world.application.wait_until(
            "select count(*) = 40 from relay.delivery_log where event_id = any($1) and outcome = 'delivered'",
            ids,
            limit=30,
        )


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace; apt-get install strace")
@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="no systemd-analyze; apt-get install systemd"
)
async def test_every_system_call_of_a_real_run_is_in_the_units_filter(world: World, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    certificate = make_certificate(tmp_path)
    daemon = await world.start(trusting(certificate), wrapper=["strace", "-D", "-f", "-qq", "-o", str(trace)])
    await work(world, certificate)
    await daemon.terminate(limit=30)

    text = await asyncio.to_thread(trace.read_text, errors="replace")
    used = {found[1] for line in text.splitlines() if (found := CALL.match(line))}

    assert len(used) > 30
    assert used - allowed_calls() == set()
    assert {"AF_INET", "AF_UNIX"} <= set(FAMILY.findall(text)) <= set(allowed_families())


@pytest.mark.skipif(
    platform.machine() not in MACHINES, reason="tests.support.families knows no such machine; add it"
)
async def test_it_runs_with_the_units_address_families_and_no_other(world: World, tmp_path: Path) -> None:
    """The C library asks netlink for the host's addresses to sort those of a name, and goes on without."""
    certificate = make_certificate(tmp_path)
    wrapper = [sys.executable, "-m", "tests.support.families", ",".join(allowed_families())]
    assert "AF_NETLINK" not in allowed_families()
    confined = await asyncio.to_thread(
        subprocess.run, [*wrapper, sys.executable, "-c", CONFINED], capture_output=True, text=True, check=True
    )
    assert confined.stdout.splitlines() == ["Address family not supported by protocol", "True"]

    by_name = world.dsn.replace("?host=", "?host=localhost,").replace("&port=", "&port=1,")
    daemon = await world.start(trusting(certificate), dsn=by_name, wrapper=wrapper)
    await work(world, certificate)

    assert await daemon.terminate() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for a mount namespace; run the tests as root")
async def test_it_runs_where_proc_has_processes_alone(world: World, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    script = 'mount -t proc -o subset=pid,hidepid=invisible proc /proc && exec "$@"'
    wrapper = ["unshare", "--mount", "sh", "-c", script, "sh"]
    first = await world.start(trusting(certificate), wrapper=wrapper, environment={BOOT_ID: BOOT})
    await work(world, certificate)
    held = await world.application.fetchval("select boot_id from relay.relay_instance")
    assert held.startswith(BOOT)
    await first.kill()

    again = await world.start(trusting(certificate), wrapper=wrapper, environment={BOOT_ID: BOOT})

    event_id = await world.application.insert()
    await again.wait_for_log("delivery.delivered", event_id=event_id)


async def test_it_runs_where_no_memory_is_both_writable_and_executable(world: World, tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    daemon = await world.start(trusting(certificate), wrapper=[sys.executable, "-c", MDWE])
    await work(world, certificate)

    assert await daemon.terminate() == 0
    status = daemon.stderr.decode()
    assert "PR_SET_MDWE" not in status
