"""`relay bench` and what it measures with."""

import asyncio
import json
import shutil
import ssl
import sys
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import aiohttp
import pytest

from relay.bench.latency import Commits, Latencies
from relay.bench.load import shape_for
from relay.bench.receipts import Receipt, reused_share
from relay.bench.sink import Sink, SinkError, has_openssl
from relay.bench.usage import children, cpu_of, cpu_of_tree, peak_rss_mb, rss_mb
from tests.support.certificates import make_certificate
from tests.support.waiting import eventually

CC = shutil.which("cc")
BODY = b'{"id": 1}'


@pytest.fixture(params=["C", "Python"])
async def sink(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Sink]:
    if request.param == "C" and CC is None:
        pytest.skip("no C compiler: apt-get install gcc libc6-dev")
    async with Sink(tmp_path, addresses=3, compiler=CC if request.param == "C" else None) as running:
        yield running


@pytest.fixture(params=["C", "Python"])
async def secure_sink(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Sink]:
    if request.param == "C" and (CC is None or not await has_openssl(CC)):
        pytest.skip("no C compiler with OpenSSL: apt-get install gcc libc6-dev libssl-dev")
    certificate = make_certificate(tmp_path, [f"127.0.0.{number}" for number in (1, 2, 3)])
    compiler = CC if request.param == "C" else None
    async with Sink(tmp_path, addresses=3, compiler=compiler, certificate=certificate) as running:
        yield running


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def post(client: aiohttp.ClientSession, url: str, event_id: UUID, body: bytes = BODY) -> int:
    async with client.post(url, data=body, headers={"X-Webhook-Id": str(event_id)}) as response:
        assert await response.read()
        return response.status


async def _have_come(sink: Sink, requests: int) -> bool:
    return (await sink.counts()).requests == requests


async def _has_nobody_waiting(sink: Sink) -> bool:
    return (await sink.counts()).waiting == 0


async def test_the_sink_counts_each_event_once_for_each_endpoint(
    sink: Sink, client: aiohttp.ClientSession
) -> None:
    events = [uuid4() for _ in range(200)]
    for event_id in events:
        assert await post(client, sink.url(0), event_id) == 200
        assert await post(client, sink.url(4), event_id) == 200
    await post(client, sink.url(4), events[17])

    counts = await sink.counts()

    assert (counts.requests, counts.distinct, counts.repeated, counts.bad) == (401, 400, 1, 0)
    assert counts.connections == 2


async def test_a_refused_event_has_not_been_taken(sink: Sink, client: aiohttp.ClientSession) -> None:
    event_id = uuid4()
    assert await post(client, sink.url(1, "status/503"), event_id) == 503
    assert await post(client, sink.url(1), event_id) == 200

    counts = await sink.counts()

    assert (counts.requests, counts.distinct, counts.repeated, counts.refused) == (2, 1, 0, 1)


async def test_a_receipt_says_when_the_first_byte_came(sink: Sink, client: aiohttp.ClientSession) -> None:
    event_id = uuid4()
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    await post(client, sink.url(2), event_id)
    between = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    await post(client, sink.url(2), event_id)
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC)

    first, second = await sink.receipts()

    assert before < first.first_ns < between < second.first_ns < after
    assert (first.event_id, first.endpoint, first.status) == (event_id, 2, 200)
    assert (first.reused, second.reused) == (False, True)


async def test_the_sink_answers_late_where_it_is_told_to(sink: Sink, client: aiohttp.ClientSession) -> None:
    began = time.monotonic()
    await asyncio.gather(*(post(client, sink.url(0, "delay/200"), uuid4()) for _ in range(50)))

    assert 0.2 <= time.monotonic() - began < 5


async def test_the_sink_never_answers_where_it_is_told_so(sink: Sink, client: aiohttp.ClientSession) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(post(client, sink.url(0, "never"), uuid4()), 0.3)

    assert (await sink.counts()).refused == 1


async def test_the_sink_takes_its_time_when_it_is_told_to(sink: Sink, client: aiohttp.ClientSession) -> None:
    await sink.pace(timedelta(milliseconds=300))
    began = time.monotonic()
    answers = [asyncio.create_task(post(client, sink.url(each), uuid4())) for each in range(20)]
    await eventually(partial(_have_come, sink, 20), "all are there")
    during = await sink.counts()
    await asyncio.gather(*answers)
    took = time.monotonic() - began
    await sink.reset()
    await post(client, sink.url(0), uuid4())

    assert 0.3 <= took < 5
    assert during.waiting == 20
    assert time.monotonic() - began - took < 0.3
    assert (await sink.counts()).most_waiting == 0


async def test_who_hangs_up_waits_no_more(sink: Sink, client: aiohttp.ClientSession) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(post(client, sink.url(0, "never"), uuid4()), 0.3)
    await eventually(partial(_has_nobody_waiting, sink), "the sink has noticed")

    assert (await sink.counts()).most_waiting == 1


async def test_the_sink_speaks_tls_on_all_its_addresses(secure_sink: Sink, tmp_path: Path) -> None:
    trusting = ssl.create_default_context(cafile=str(tmp_path / "receiver.pem"))
    events = [uuid4() for _ in range(99)]
    large = b"x" * 300_000
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as client:
        for number, event_id in enumerate(events):
            assert await post(client, secure_sink.url(number % 3), event_id) == 200
        assert await post(client, secure_sink.url(1), uuid4(), large) == 200
    (captured,) = await secure_sink.captured()

    assert (await secure_sink.counts()).distinct == 100
    assert captured.body == large
    assert reused_share(await secure_sink.receipts()) == 0.97


async def test_a_sink_with_tls_gets_over_those_who_speak_none(
    secure_sink: Sink, client: aiohttp.ClientSession
) -> None:
    with pytest.raises(aiohttp.ClientError):
        await post(client, secure_sink.url(0).replace("https", "http"), uuid4())

    assert (await secure_sink.counts()).requests == 0


async def test_one_request_in_a_hundred_is_captured_whole(sink: Sink, client: aiohttp.ClientSession) -> None:
    events = [uuid4() for _ in range(200)]
    large = b"x" * 300_000
    for event_id in events:
        await post(client, sink.url(1), event_id, large if event_id == events[199] else BODY)

    captured = await sink.captured()

    assert [each.headers["X-Webhook-Id"] for each in captured] == [str(events[99]), str(events[199])]
    assert [each.body for each in captured] == [BODY, large]
    assert {each.endpoint for each in captured} == {1}


async def test_a_reset_forgets_what_came(sink: Sink, client: aiohttp.ClientSession) -> None:
    event_id = uuid4()
    for _ in range(100):
        await post(client, sink.url(0), event_id)
    await sink.reset()
    await post(client, sink.url(0), event_id)

    counts = await sink.counts()
    assert not await sink.captured()

    assert (counts.requests, counts.distinct, counts.repeated) == (1, 1, 0)


async def test_a_compiler_that_fails_is_named_with_its_complaint(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="false cannot compile"):
        async with Sink(tmp_path, compiler=shutil.which("false")):
            pass


async def test_the_cpu_of_a_tree_has_its_living_and_its_ended_children() -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    program = (
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}]);"
        " living = subprocess.Popen([sys.executable, '-c', 'import sys; sys.stdin.read()']);"
        " print('ready', flush=True); living.wait()"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    await process.stdout.readline()
    (living,) = children(process.pid)

    whole, without = cpu_of_tree(process.pid), cpu_of_tree(process.pid, but={living})
    alone = cpu_of(process.pid)
    process.stdin.close()
    await process.wait()

    assert whole >= without > alone + 0.25


async def test_the_peak_of_memory_is_at_least_what_is_there_now() -> None:
    process = await asyncio.create_subprocess_exec("sleep", "60")
    try:
        assert 0 < rss_mb(process.pid) <= peak_rss_mb(process.pid)
    finally:
        process.kill()
        await process.wait()


def test_percentiles_are_values_that_occurred() -> None:
    latencies = Latencies(sorted_ms=tuple(float(each) for each in range(1, 201)))

    assert (latencies.p50, latencies.p99, latencies.percentile(1.0)) == (100.0, 198.0, 200.0)


def test_a_latency_counts_from_the_commit_to_the_first_request_of_each_endpoint() -> None:
    early, late, other = uuid4(), uuid4(), uuid4()
    commits = Commits(at={early: 1_000_000, late: 5_000_000})
    receipts = [
        Receipt(event_id=event_id, first_ns=at * 1_000_000, endpoint=endpoint, status=200, reused=False)
        for event_id, endpoint, at in (
            (early, 1, 4),
            (late, 1, 6),
            (other, 1, 7),
            (early, 2, 9),
            (late, 1, 40),
        )
    ]

    assert commits.latencies(receipts).sorted_ms == (1.0, 3.0, 8.0)
    assert commits.since(5_000_000).latencies(receipts).sorted_ms == (1.0,)


def test_a_shape_has_endpoints_enough_for_the_default_cap() -> None:
    assert shape_for(fan_out=1, in_flight=64, payload=1024).endpoints == 20
    assert shape_for(fan_out=3, in_flight=64, payload=1024).endpoints == 21
    assert shape_for(fan_out=1, in_flight=10_000, payload=1024).endpoints == 100


async def test_the_bench_delivers_everything_once_and_says_what_it_cost() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "relay", "bench", "--events", "300", "--fan-out", "2", "-o", "json",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), 100)
    report = json.loads(out)

    assert process.returncode == 0
    assert (report["deliveries"], report["lost"], report["duplicates"]) == (600, 0, 0)
    assert report["signatures_checked"] == 12
    assert report["signatures_wrong"] == 0
    assert report["deliveries_per_second"] > 0
    assert report["relay_cpu_us_per_delivery"] > 0
    assert 0 < report["latency_ms"]["p50"] <= report["latency_ms"]["p99"]
    assert 20 < report["rss_mb"] < 1000
