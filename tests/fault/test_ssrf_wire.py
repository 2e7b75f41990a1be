"""On the wire, where every address answers: no request reaches an internal one, whatever was registered."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import Callable
from typing import Any

import pytest

from relay.http.addresses import AddressPolicy
from tests.support.daemon import CHECKOUT
from tests.support.everywhere import VECTORS

pytestmark = [
    pytest.mark.fault,
    pytest.mark.skipif(
        os.geteuid() != 0, reason="needs root, for a network namespace; run the tests as root"
    ),
    pytest.mark.skipif(
        not (shutil.which("unshare") and shutil.which("ip")),
        reason="no unshare or ip; apt-get install iproute2",
    ),
]

LEGITIMATE = sorted(each["id"] for each in VECTORS if each["on_the_wire"] == "allow")

TO_BE_RESOLVED = [each["id"] for each in VECTORS if each["on_the_wire"] == "resolve"]
"""Names with a public address among their answers: that one may be reached."""


async def run(mode: str) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        "unshare", "--net", sys.executable, "-m", "tests.support.everywhere", mode,
        cwd=CHECKOUT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(110):
        printed, complained = await process.communicate()
    assert process.returncode == 0, complained.decode()
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


def internal(found: dict[str, Any]) -> list[str]:
    policy = AddressPolicy()
    return [address for address in found["addresses"] if policy.refuse(address) is not None]


async def test_with_the_guard_nothing_internal_is_reached_and_all_that_is_legitimate_is(
    figures: Callable[[str], None],
) -> None:
    found = await run("guarded")
    figures(
        f"{len(internal(found))} internal addresses reached, {len(found['arrived'])} legitimate URLs answered"
    )
    assert internal(found) == []
    assert set(LEGITIMATE) <= set(found["arrived"]) <= {*LEGITIMATE, *TO_BE_RESOLVED}


async def test_without_the_guard_the_same_requests_reach_very_many(figures: Callable[[str], None]) -> None:
    found = await run("open")
    figures(f"{len(internal(found))} internal addresses reached without the guard")
    assert len(internal(found)) >= 60
    assert set(LEGITIMATE) <= set(found["arrived"])
