"""Where a Python process spends its time: samples of its stack, by py-spy."""

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bench.harness import Unsound

PROGRAM = Path(__file__).parent / ".venv" / "bin" / "py-spy"
SAMPLES_A_SECOND = 200
SPARE = 60.0
"""Seconds that it may take longer than it was told to."""
FRAME = re.compile(r"(?P<function>.+) \((?P<file>[^()]+)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A function, with what it calls in C.

    Attributes:
        function: Its name.
        file: Where it is, from its package on.
        own: The share of the samples that found it running, from 0 to 1.
        whole: The share that found it running or waiting for what it called.
    """

    function: str
    file: str
    own: float
    whole: float


async def sample(pid: int, seconds: int, folder: Path) -> Counter[tuple[str, ...]]:
    """Return how often each stack was found, outermost frame first, of the thread that held the interpreter's lock.

    Threads that wait, or write the log, do not hold it.

    Raises:
        Unsound: py-spy is not there, or may not look into the process.
    """
    if not PROGRAM.exists():
        raise Unsound(
            f"{PROGRAM} is not there: run `make bench`, which installs tests/bench/requirements.txt"
        )
    output = folder / "stacks"
    process = await asyncio.create_subprocess_exec(
        str(PROGRAM), "record", "--pid", str(pid), "--duration", str(seconds), "--rate", str(SAMPLES_A_SECOND),
        "--format", "raw", "--nolineno", "--gil", "--output", str(output),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        said, _ = await asyncio.wait_for(process.communicate(), seconds + SPARE)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise Unsound(f"py-spy ended with status {process.returncode}: {said.decode()}")
    return read_stacks(output.read_text(encoding="utf-8").splitlines())


def read_stacks(lines: Iterable[str]) -> Counter[tuple[str, ...]]:
    """Read collapsed stacks: frames with semicolons between, then how often."""
    stacks: Counter[tuple[str, ...]] = Counter()
    for line in lines:
        frames, _, count = line.rpartition(" ")
        stacks[tuple(frames.split(";"))] += int(count)
    return stacks


def parts_of(stacks: Mapping[tuple[str, ...], int]) -> list[Part]:
    """Return every function that was found running, the one with the most time of its own first."""
    total = sum(stacks.values())
    own: Counter[str] = Counter()
    whole: defaultdict[str, int] = defaultdict(int)
    for stack, count in stacks.items():
        own[stack[-1]] += count
        for frame in set(stack):  # once, however often it calls itself
            whole[frame] += count
    return [_part(frame, count / total, whole[frame] / total) for frame, count in own.most_common()]


def _part(frame: str, own: float, whole: float) -> Part:
    found = FRAME.fullmatch(frame)
    function, file = (found["function"], found["file"]) if found else (frame, "")
    return Part(function=function, file=file, own=own, whole=whole)
