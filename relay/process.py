"""What a relay does to its own process, and how it tells that there is nothing left for it."""

import asyncio
import ctypes
import gc
import resource
from collections.abc import Callable
from contextlib import suppress

IDLE_LOOKS = 3
IDLE_PAUSE = 0.05
PR_SET_DUMPABLE = 4


def keep_memory_private() -> None:
    """Leave no core file, and let nobody but root look into this process: it holds keys, secrets and payloads.

    The limit alone would not do, since the kernel does not heed it where `kernel.core_pattern` is a program; of a
    process that is not dumpable nothing is written to either, and /proc/PID is root's. See core(5) and prctl(2).
    """
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    with suppress(OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def calm_the_collector() -> None:
    """Keep the garbage collector from walking, again and again, what lives as long as the process.

    Nothing on a delivery's way makes cycles; with the usual thresholds the collector alone halves throughput at two
    thousand in flight.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)


async def nothing_to_do(*, is_idle: Callable[[], bool], is_over: Callable[[], bool]) -> None:
    """Wait until a relay was found idle several times in a row, or something else ended its work.

    Once does not do: between a look and a claim it only seems so.
    """
    quiet = 0
    while quiet < IDLE_LOOKS and not is_over():
        await asyncio.sleep(IDLE_PAUSE)
        quiet = quiet + 1 if is_idle() else 0
