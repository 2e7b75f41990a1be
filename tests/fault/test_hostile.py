"""Strangers' servers that mean harm: each attempt ends in its time, and nobody else notices."""

import asyncio
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.certificates import make_certificate
from tests.support.daemon import Sections
from tests.support.hostile import KINDS, hostile_process
from tests.support.world import World

pytestmark = pytest.mark.fault

ATTACKERS = 10
TIMEOUT = 2.0
MOST_LATE = 0.5
MOST_LAG_MS = 150
MOST_MORE_MB = 16
BODY = 2.0
"""Seconds that a body may take after its status has come."""


def resident(pid: int, what: str = "VmRSS") -> float:
    """Return megabytes."""
    found = re.search(rf"{what}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    assert found is not None
    return int(found[1]) / 1024


@pytest.mark.parametrize("has_tls", [False, True], ids=["plain", "TLS"])
async def test_ten_of_each_kind_end_in_time_and_cost_nothing(
    world: World, tmp_path: Path, has_tls: bool, figures: Callable[[str], None]
) -> None:
    certificate = make_certificate(tmp_path)
    sections: Sections = {
        "delivery": {"timeout": f"{TIMEOUT:g}s", "connect_timeout": "1s"},
        "security": {"ca_bundle": str(certificate), "allow_http": True, "allow_cidrs": ["127.0.0.0/8"]},
        "retry": {"base": "1h", "jitter": 0.0},
        "breaker": {"enabled": False},
    }
    scheme = "https" if has_tls else "http"
    async with hostile_process(certificate if has_tls else None) as ports:
        await world.application.add_endpoint(world.receiver.url(), event_types=["healthy"])
        for kind in KINDS:
            for number in range(ATTACKERS):
                await world.application.add_endpoint(
                    f"{scheme}://127.0.0.1:{ports[kind]}/{number}",
                    event_types=["hostile"] if number else ["hostile", "first"],
                    description=kind,
                )
        daemon = await world.start(
            sections, wrapper=[sys.executable, "-m", "tests.support.altered", "attentive"]
        )
        await world.prove(daemon, event_type="healthy")
        # What comes with the first of each kind is there once and for all, however many follow.
        await world.application.insert(event_type="first")
        await world.application.wait_until(f"select ({LOGGED}) = $2", "first", len(KINDS))
        before = resident(daemon.pid)

        await world.application.insert(event_type="hostile")
        waits: list[float] = []
        total = ATTACKERS * len(KINDS)
        ends = time.monotonic() + 30
        while await world.application.fetchval(LOGGED, "hostile") < total:
            assert time.monotonic() < ends
            began = time.monotonic()
            healthy = await world.application.insert(event_type="healthy")
            await world.receiver.wait_for_event(healthy, limit=5)
            waits.append(time.monotonic() - began)
            await asyncio.sleep(0.02)

        more = resident(daemon.pid, "VmHWM") - before
        rows = await world.application.fetch(TOOK)
        lags = [float(str(line["lag_ms"])) for line in daemon.logged("loop.stalled")]
    slowest = max(row["took"] for row in rows)
    late = f"at most {max(lags):.0f}" if lags else "less than 50"
    figures(
        f"{scheme}: {len(rows)} kinds, slowest attempt {slowest} ms, {more:.1f} MB more,"
        f" the loop late by {late} ms, a healthy delivery at most {max(waits) * 1000:.0f} ms"
    )
    for row in rows:
        # A status that has come decides, and its body has a time of its own.
        limit = TIMEOUT + MOST_LATE + (BODY if row["delivered"] else 0)
        assert row["took"] <= limit * 1000, dict(row)
    assert max(lags, default=0) <= MOST_LAG_MS
    # From the insert to the receiver it takes a handful of turns of the loop, and the machine has other work too.
    assert max(waits) * 1000 <= 5 * MOST_LAG_MS
    assert more <= MOST_MORE_MB
    assert daemon.exit_code is None


LOGGED = "select count(*) from relay.delivery_log where event_type = $1"
TOOK = """
select e.description as kind, max(l.duration_ms) as took, bool_or(l.outcome = 'delivered') as delivered, count(*)
from relay.delivery_log l
join relay.endpoint e on e.id = l.endpoint_id
where l.event_type = 'hostile'
group by 1
"""
