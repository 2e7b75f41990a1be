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
EVENTS = 500_000
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
    "HeadFirst.begin": "the system call that sends the request: one for each, and the kernel's own TCP is most of it",
    "HeadFirst._feed": "aiohttp's parser, in C: one response each",
    "HeadFirst._renew_parser": "a new parser for each response: an old one may be halfway into what nobody asked for",
    "PreparedStatement.__do_execute": "asyncpg sends a batch's arrays and reads its rows, in C: once for hundreds",
    "HmacKey.sign": "HMAC-SHA256 over the body, once for each of the two signatures, in C",
    "x_webhook_signature": "one of the two signatures as text",
    "standard_signature": "the other signature as text",
    "_signed": "the signature headers, for the wire and for the log",
    "compose": "the head of a request, for the wire and for the log",
    "Runner.run": "the event loop itself, in C: it asks the kernel what came, reads it, and runs what waited for it",
    "<lambda>": "the values that stages hand on, as named tuples: a request, a response, an attempt, a result",
    "Transport.start": "puts the request together with its route, its deadline and a connection",
    "BaseConnector._get": "aiohttp's pool hands out a connection",
    "BaseConnector._release": "aiohttp's pool takes it back",
    "Exchange.finish_with": "makes the response, and gives the connection back",
    "Exchange.answered": "reads the body that came with the head",
    "_row": "an outcome's columns for the statement that records it",
    "_result": "judges the answer, and makes what is recorded",
    "Transport._write": "asks the kernel once what idle connections hold, then writes the burst",
    "Recorder._flush": "takes a batch off the queue",
    "StreamReader.__init__": "aiohttp's body of a response",
    "HeadFirst.data_received": "decides how what came is fed to the parser",
    "ResponseHandler.set_response_params": "aiohttp makes the parser of a response",
    "ResponseHandler.should_close": "aiohttp says whether a connection is to be used again",
    "render_many.<locals>.<listcomp>": "the log lines of a batch, straight to bytes",
    "_headers": "a response's headers, made once for the same ones",
    "Transport._idle": "takes a connection of aiohttp's pool without a task",
    "Transport.write_soon": "puts a request with those that are written together",
    "Exchange.take": "gives a request its connection",
    "Exchange.finish": "hands the answer on, and forgets the deadline",
    "Tally._count_plain": "counts a batch for `/metrics`",
    "numbers.<locals>.<listcomp>": "a batch's numbers as the text of an array",
    "names.<locals>.<listcomp>": "a batch's ids as the text of an array",
    "_add": "decides for each delivery whether it is leased at once",
    "_about": "the keys of a log line",
    "Slots.take_for": "takes the slot of a delivery",
    "Sender.start.<locals>.answered": "makes a result of an answer",
    "event_of": "an event as the rows of a look have it",
    "_logged": "an attempt's columns for the delivery log",
    "Sender.start": "makes the request of a claim",
    "share_of": "which endpoints an event goes to",
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
