"""What a relay takes that has nothing to do."""

import asyncio
import re
import time
from collections import Counter
from dataclasses import asdict, dataclass
from functools import partial

from relay.bench import statements
from relay.bench.backlog import work_off
from relay.bench.proof import prove
from relay.bench.scene import Scene, Scenery
from relay.bench.stage import SUBJECT
from relay.bench.usage import rss_mb, usage_of
from tests.bench.harness import Bench, median, say, sound
from tests.bench.results import Check, Section, Table

NAME = "idle"
WARM_UP = 2000
REST = 5.0
SECONDS, SECONDS_QUICK = 60.0, 15.0
MOST_CORES = 0.005
MOST_STATEMENTS = 3.0
HOW = """\
After {warm_up} deliveries to 20 endpoints and {rest:.0f} s of rest nothing is committed for {seconds:.0f} s. CPU is
that of the relay's process, from /proc. Statements are all that its role sent in that time by pg_stat_statements, in
every one of its sessions: polls, signs of life and pings alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one run came to.

    Attributes:
        relay: The part of a core that the relay took.
        postgres: The same of PostgreSQL, all its processes.
        rss_mb: What the relay had resident.
        statements: So many of each a second; empty if nobody counted.
    """

    relay: float
    postgres: float
    rss_mb: float
    statements: dict[str, float]

    @property
    def all_statements(self) -> float:
        """Statements a second."""
        return sum(self.statements.values())


async def measure(bench: Bench) -> Section:
    """Let it rest, again and again."""
    seconds = SECONDS_QUICK if bench.is_quick else SECONDS
    rounds = await bench.interleaved(partial(_rest, bench, seconds))
    found = [each for (each,) in rounds]
    return Section(
        title="Idle",
        how=HOW.format(warm_up=WARM_UP, rest=REST, seconds=seconds),
        checks=_checks(found, seconds, is_counted=bench.stage.counts_statements),
        tables=(_use(found), _statements(found)),
        raw={"runs": [asdict(each) for each in found]},
    )


async def _rest(bench: Bench, seconds: float) -> Found:
    async with bench.scene(Scenery()) as scene:
        await work_off(scene, WARM_UP)
        sound(await prove(scene, WARM_UP))
        await asyncio.sleep(REST)
        found = await scene.unless_it_ends(_watch(scene, seconds))
        say(
            f"  {found.relay:.2%} of a core, PostgreSQL {found.postgres:.2%}, {found.all_statements:.2f} statements/s"
        )
        return found


async def _watch(scene: Scene, seconds: float) -> Found:
    processes = scene.processes()
    sent, before, began = await _sent(scene), usage_of(processes), time.monotonic()
    await asyncio.sleep(seconds)
    took = time.monotonic() - began
    used = usage_of(processes).since(before)
    counted = await _sent(scene) - sent
    return Found(
        relay=used.relay / took,
        postgres=used.postgres / took,
        rss_mb=rss_mb(processes.relay),
        statements={text: calls / took for text, calls in counted.most_common()},
    )


async def _sent(scene: Scene) -> Counter[str]:
    if not scene.stage.counts_statements:
        return Counter()
    return await statements.count_each(scene.observer, SUBJECT)


def _checks(found: list[Found], seconds: float, *, is_counted: bool) -> tuple[Check, ...]:
    cores, sent = median([each.relay for each in found]), median([each.all_statements for each in found])
    return (
        Check(
            promise=f"idle: at most {MOST_CORES:.1%} of one core over {seconds:.0f} s",
            found=f"{cores:.2%}",
            holds=cores <= MOST_CORES,
        ),
        Check(
            promise=f"idle: at most {MOST_STATEMENTS:g} statements a second",
            found=f"{sent:.2f}/s" if is_counted else "not measured: pg_stat_statements is missing",
            holds=is_counted and sent <= MOST_STATEMENTS,
        ),
    )


def _use(found: list[Found]) -> Table:
    row = [
        "idle",
        f"{median([each.relay for each in found]) * 100:.2f}",
        f"{median([each.postgres for each in found]) * 100:.2f}",
        f"{median([each.all_statements for each in found]):.2f}",
        f"{median([each.rss_mb for each in found]):.0f}",
    ]
    heads = ["", "relay CPU, % of a core", "PostgreSQL CPU, % of a core", "statements/s", "RSS, MB"]
    return Table(heads=heads, rows=[row])


def _statements(found: list[Found]) -> Table:
    texts = dict.fromkeys(text for each in found for text in each.statements)
    rows = [
        [_shown(text), f"{median([each.statements.get(text, 0.0) for each in found]):.2f}"] for text in texts
    ]
    return Table(heads=["statement", "a second"], rows=rows)


def _shown(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")[:100]
