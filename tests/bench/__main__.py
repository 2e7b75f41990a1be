"""`python -m tests.bench [--quick] [FIGURE ...]`: measure, and write docs/benchmarks.md."""

import argparse
import asyncio
from pathlib import Path

import uvloop

from relay.bench.stage import set_stage
from tests.bench.figures import (
    application,
    full_tables,
    guard,
    idle,
    in_flight,
    latency,
    lookback,
    neighbours,
    profile,
    saturation,
    standing,
    tls,
    width,
)
from tests.bench.harness import Bench, say
from tests.bench.machine import describe
from tests.bench.results import load, render, store

CHECKOUT = Path(__file__).parents[2]
PAGE = CHECKOUT / "docs" / "benchmarks.md"
FIGURES = {
    each.NAME: each.measure
    for each in (
        saturation,
        in_flight,
        latency,
        standing,
        full_tables,
        neighbours,
        width,
        application,
        lookback,
        idle,
        tls,
        guard,
        profile,
    )
}
ROUNDS = 5


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "figures", nargs="*", choices=[[], *FIGURES], metavar="FIGURE", help=", ".join(FIGURES)
    )
    parser.add_argument("--quick", action="store_true", help="one round of a tenth; to try it out")
    parser.add_argument("--rounds", type=int, default=None, help=f"default {ROUNDS}, with --quick 1")
    parser.add_argument(
        "--page", type=Path, default=PAGE, help="the page to write; its results lie beside it as .json"
    )
    chosen = parser.parse_args()
    rounds = chosen.rounds or (1 if chosen.quick else ROUNDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(
            _measure(chosen.figures or list(FIGURES), chosen.page, rounds=rounds, is_quick=chosen.quick)
        )


async def _measure(names: list[str], page: Path, *, rounds: int, is_quick: bool) -> None:
    results = page.with_suffix(".json")
    async with set_stage() as stage:
        circumstances = await describe(stage)
        bench = Bench(stage=stage, rounds=rounds, is_quick=is_quick)
        for name in names:
            say(f"{name}:")
            section = await FIGURES[name](bench)
            for check in section.checks:
                say(f"{'holds' if check.holds else 'FAILS'}: {check.promise}: {check.found}")
            store(results, name, section, {**circumstances, "rounds": str(rounds)})
            _write(page, results)


def _write(page: Path, results: Path) -> None:
    page.write_text(render(load(results), FIGURES), encoding="utf-8")


if __name__ == "__main__":
    main()
