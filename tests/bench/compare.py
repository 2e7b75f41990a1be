"""`python -m tests.bench.compare OTHER_CHECKOUT [--pairs 5] [OPTIONS OF relay bench]`: this tree against another.

Runs `relay bench` of both in turn, each with its own .venv, and prints the median of the pairs' ratios.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

THIS = Path(__file__).parents[2]
KEYS = (
    "deliveries_per_second",
    "relay_cpu_us_per_delivery",
    "postgres_cpu_us_per_delivery",
    "statements_per_delivery",
    "rss_mb",
)


def main() -> None:
    """Compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("other", type=Path, help="the checkout that this one is compared with")
    parser.add_argument("--pairs", type=int, default=5)
    chosen, options = parser.parse_known_args()
    options = [each for each in options if each != "--"]
    pairs = [_pair(chosen.other, options, is_even=number % 2 == 0) for number in range(chosen.pairs)]
    for key in KEYS:
        print(f"{key:32} other {_median(pairs, 0, key):10.3f}   this {_median(pairs, 1, key):10.3f}", end="")
        print(f"   this/other {statistics.median(this[key] / other[key] for other, this in pairs):.3f}")
    for percentile in ("p50", "p99"):
        found = [tuple(each["latency_ms"][percentile] for each in pair) for pair in pairs]
        other, this = (statistics.median(each) for each in zip(*found, strict=True))
        ratio = statistics.median(b / a for a, b in found)
        print(f"latency_ms {percentile:21} other {other:10.3f}   this {this:10.3f}   this/other {ratio:.3f}")


def _pair(other: Path, options: list[str], *, is_even: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    if is_even:
        first = _run(other, options)
        return first, _run(THIS, options)
    second = _run(THIS, options)
    return _run(other, options), second


def _run(tree: Path, options: list[str]) -> dict[str, Any]:
    command = [str(tree / ".venv" / "bin" / "python"), "-m", "relay", "bench", "-o", "json", *options]
    done = subprocess.run(command, cwd=tree, stdout=subprocess.PIPE, check=True)
    report: dict[str, Any] = json.loads(done.stdout)
    sys.stderr.write(
        f"{tree}: {report['deliveries_per_second']}/s, {report['relay_cpu_us_per_delivery']} us\n"
    )
    return report


def _median(pairs: list[tuple[dict[str, Any], dict[str, Any]]], place: int, key: str) -> float:
    return statistics.median(float(pair[place][key]) for pair in pairs)


if __name__ == "__main__":
    main()
