"""What the relay's CPU goes into at full load, and why each part stays."""

import math
from collections import Counter
from dataclasses import asdict

from relay.bench.load import add_events
from relay.bench.proof import prove
from relay.bench.scene import Scenery
from tests.bench.harness import Bench, Unsound, say, sound
from tests.bench.results import Section, Table
from tests.bench.spy import SAMPLES_A_SECOND, Part, parts_of, sample

NAME = "profile"
EVENTS = 250_000
IN_FLIGHT = 1000
SECONDS, QUICK_SECONDS = 15, 2
LARGEST = 10
HOW = """\
py-spy looks {rate} times a second, for {seconds} s, at the stack of a relay with {in_flight} in flight that works off a
backlog which lasts longer: at that of the thread that holds the interpreter's lock, which leaves out whoever waits, and
the writing of the log. A part is a Python function with what it calls in C, and its own share is what it spends outside
of other Python functions; beside it is the share with those. Once, not in rounds: {samples} samples tell a share of
10 % to {error:.1f} points, in two cases of three."""
REASONS: dict[str, str] = {
    "_begin": "the system call that sends the request: one for each, and the kernel's own TCP is most of it",
    "Runner.run": "the event loop itself, in C: it asks the kernel what came, reads it, and runs what waited for it",
    "PreparedStatement.__do_execute": "asyncpg encodes a batch's arrays and reads its rows, in C: once for hundreds",
    "ABCMeta.__instancecheck__": "asyncpg asks of each element of an array whether it is an array itself",
    "__create_fn__.<locals>.__init__": "the values that stages hand on: a request, a response, an attempt, a result",
    "complete": "a log line's time and keys, with a look for secrets in every text of it",
    "render_json": "a log line as JSON, in C",
    "headers_json.<locals>.<dictcomp>": "the log keeps each request's and response's headers, without their secrets",
    "_row": "an outcome's columns for the statement that records it",
    "digest": "HMAC-SHA256 over the body, once for each of the two signatures, in C",
    "_x_webhook": "one of the two signatures",
    "_standard": "the other signature",
    "_has_unread": "a system call before a connection is used again: whether its peer has closed it meanwhile",
    "current_task": "a request's time-out has to know which task it is to cancel",
    "ResponseHandler.data_received": "aiohttp's parser, in C",
    "ResponseHandler.set_response_params": "makes a new parser of aiohttp's for each response",
    "BaseConnector._get": "aiohttp's pool hands out a connection",
}
"""Why a part stays, by the name of its function; the others have nothing beside them."""


async def measure(bench: Bench) -> Section:
    """Sample one saturated relay, and let it finish, so that what was sampled is known to be sound."""
    stacks = await _sample(bench)
    parts = parts_of(stacks)
    return Section(
        title="Where the relay's CPU goes",
        how=HOW.format(
            in_flight=IN_FLIGHT,
            rate=SAMPLES_A_SECOND,
            seconds=_seconds(bench),
            samples=stacks.total(),
            error=math.sqrt(0.1 * 0.9 / stacks.total()) * 100,
        ),
        checks=(),
        tables=(Table(heads=HEADS, rows=[_row(each) for each in parts[:LARGEST]]),),
        raw={"parts": [asdict(each) for each in parts]},
    )


def _seconds(bench: Bench) -> int:
    return QUICK_SECONDS if bench.is_quick else SECONDS


async def _sample(bench: Bench) -> Counter[tuple[str, ...]]:
    events = bench.events(EVENTS)
    async with bench.scene(Scenery(in_flight=IN_FLIGHT)) as scene:
        await add_events(scene.observer, events, scene.shape)
        await scene.start()
        await scene.arrived(events // 20)  # past the start
        sampling = sample(scene.processes().relay, _seconds(bench), bench.stage.folder)
        stacks = await scene.unless_it_ends(sampling)
        if (await bench.stage.sink.counts()).distinct >= events:
            raise Unsound(f"the relay had worked off its {events} events before the samples were taken")
        await scene.has_recorded(events)
        sound(await prove(scene, events))
    for each in parts_of(stacks)[:LARGEST]:
        say(f"  {each.own:.1%} {each.function} ({each.file})")
    return stacks


HEADS = ["where", "own share", "with what it calls", "in", "why it stays"]


def _row(part: Part) -> list[str]:
    return [
        f"`{part.function}`",
        f"{part.own:.1%}",
        f"{part.whole:.1%}",
        f"`{part.file}`",
        REASONS.get(part.function, ""),
    ]
