"""What a scrape of a running relay says is what happened."""

import platform
import signal
from urllib.parse import urlsplit

import pytest

from relay import __version__
from relay.observe.metric_catalogue import CATALOGUE
from tests.support.daemon import Daemon, config_text
from tests.support.database import connected
from tests.support.ports import free_port
from tests.support.receiver import Reply
from tests.support.scrape import Scrape, scrape
from tests.support.waiting import eventually
from tests.support.world import World

HISTOGRAMS = [metric.name for metric in CATALOGUE if metric.kind == "histogram"]


@pytest.fixture
def port() -> int:
    return free_port()


def listening(port: int, **keys: object) -> dict[str, dict[str, object]]:
    return {"metrics": {"listen": f"127.0.0.1:{port}", **keys}, "retry": {"base": "10ms"}}


async def test_the_counts_are_those_of_what_receivers_got(world: World, port: int) -> None:
    world.receiver.respond = lambda request: (
        Reply(status=503)
        if request.path == "/flaky" and request.attempt == 1
        else Reply(status=410 if request.path == "/gone" else 204)
    )
    ids = {
        name: await world.application.add_endpoint(world.receiver.url(f"/{name}"), event_types=[name])
        for name in ("well", "flaky", "gone")
    }
    daemon = await world.start(listening(port))
    await world.application.insert_all(['{"id": 1}'] * 5, event_type="well")
    await world.application.insert(event_type="flaky")
    await world.application.insert(event_type="gone")
    await daemon.wait_for_log("delivery.delivered", count=6)
    await daemon.wait_for_log("delivery.dead")
    await daemon.wait_for_log("endpoint.disabled")

    seen = await scrape(port)

    outcomes = {
        each: seen.value("relay_attempts_total", outcome=each) for each in ("delivered", "retrying", "dead")
    }
    assert outcomes == {"delivered": 6, "retrying": 1, "dead": 1}
    assert sum(seen.all("relay_attempts_total").values()) == len(world.receiver.received) == 8
    assert seen.value("relay_deliveries_total", state="delivered") == 6
    assert seen.value("relay_deliveries_total", state="dead") == 1
    assert seen.value("relay_attempt_duration_seconds_count") == 8
    assert seen.value("relay_first_request_latency_seconds_count") == 7
    assert seen.value("relay_delivery_latency_seconds_count") == 6
    assert seen.value("relay_delivery_success_ratio", window="5m") == pytest.approx(6 / 7)
    assert seen.value("relay_in_flight") == 0
    for name, classes in {"well": {"2xx": 5}, "flaky": {"5xx": 1, "2xx": 1}, "gone": {"4xx": 1}}.items():
        for class_, count in classes.items():
            assert seen.value("relay_endpoint_attempts_total", endpoint=ids[name], class_=class_) == count


async def test_times_are_of_the_order_that_they_were(world: World, port: int) -> None:
    await world.application.add_endpoint(world.receiver.url())
    daemon = await world.start(listening(port))
    world.receiver.hold()
    event_id = await world.application.insert()
    received = await world.receiver.wait_for_event(event_id)
    assert (await scrape(port)).value("relay_in_flight") == 1
    world.receiver.release()
    await daemon.wait_for_log("delivery.delivered")

    seen = await scrape(port)

    (row,) = await world.application.fetch(
        "select extract(epoch from created_at)::float8 as at from relay.outbox where id = $1", event_id
    )
    first = seen.value("relay_first_request_latency_seconds_sum")
    whole = seen.value("relay_delivery_latency_seconds_sum")
    attempt = seen.value("relay_attempt_duration_seconds_sum")
    assert first is not None
    assert attempt is not None
    # The database's clock is known to half a round trip, which takes its time on a busy machine.
    assert 0 < first <= received.wall - row["at"] + 0.5
    assert whole == pytest.approx(first + attempt)


async def test_a_scrape_has_every_metric(world: World, port: int) -> None:
    endpoint_id = await world.application.add_endpoint(world.receiver.url())
    # One that is due at the start is claimed, not leased at once by the fan-out.
    event_id = await world.application.insert()
    world.receiver.script[None, 1] = Reply(status=500)
    daemon = await world.start(listening(port))
    await daemon.wait_for_log("delivery.delivered", event_id=event_id)

    seen = await scrape(port)

    names = {name.removesuffix("_count") for name, _ in seen.samples}
    assert {metric.name for metric in CATALOGUE} - names == {"relay_backlog_oldest_age_seconds"}
    for name in HISTOGRAMS:
        assert seen.value(f"{name}_count"), name
        assert seen.value(f"{name}_sum"), name
    assert seen.value("relay_active") == seen.value("relay_database_up") == 1
    assert seen.value("relay_build_info", version=__version__, python=platform.python_version()) == 1
    assert seen.value("relay_endpoint_state", endpoint=endpoint_id, state="active") == 1
    assert seen.value("relay_log_lines_dropped_total") == 0
    assert seen.value("process_resident_memory_bytes")


async def test_the_backlog_is_told_by_state_with_the_age_of_the_oldest(world: World, port: int) -> None:
    paused = await world.application.add_endpoint(world.receiver.url(), event_types=["waits"], state="paused")
    await world.application.add_endpoint(world.receiver.url("/gone"), event_types=["dies"])
    world.receiver.respond = lambda _: Reply(status=410)
    await world.application.insert_all(['{"id": 1}'] * 3, event_type="waits")
    await world.application.insert(event_type="dies")
    daemon = await world.start(listening(port))
    await daemon.wait_for_log("delivery.held", count=3, endpoint_id=paused)
    await daemon.wait_for_log("endpoint.disabled")

    seen = await scrape(port)

    rows = await world.application.fetch("select state, deliveries from relay.backlog")
    assert {row["state"]: row["deliveries"] for row in rows} == {"held": 3, "dead": 1}
    assert [seen.value("relay_backlog", state=each) for each in ("held", "dead", "pending")] == [3, 1, 0]
    age = seen.value("relay_backlog_oldest_age_seconds", state="held")
    assert age is not None
    assert 0 < age < 60
    assert (
        seen.value("relay_endpoints", state="paused") == seen.value("relay_endpoints", state="disabled") == 1
    )
    assert seen.value("relay_endpoint_state", endpoint=paused, state="paused") == 1


async def test_only_so_many_endpoints_have_counts_of_their_own(world: World, port: int) -> None:
    for number in range(5):
        await world.application.add_endpoint(world.receiver.url(f"/{number}"))
    daemon = await world.start(listening(port, max_endpoints=2))
    await world.application.insert()
    await daemon.wait_for_log("delivery.delivered", count=5)

    seen = await scrape(port)

    counts = seen.all("relay_endpoint_attempts_total")
    assert sorted(counts.values()) == [1, 1, 3]
    assert seen.value("relay_endpoint_attempts_total", endpoint="other", class_="2xx") == 3
    assert len(seen.all("relay_endpoint_state")) == 2
    assert seen.value("relay_endpoints", state="active") == 5


async def test_a_configuration_that_was_refused_is_seen_until_a_good_one_is_there(
    world: World, port: int
) -> None:
    daemon = await world.start(listening(port))
    assert (await scrape(port)).value("relay_config_reload_success") == 1
    good = daemon.config.read_text(encoding="utf-8")

    await reload(daemon, config_text({"delivery": {"timeout": "never"}}), "config.rejected")
    assert (await scrape(port)).value("relay_config_reload_success") == 0

    await reload(daemon, good, "config.reloaded")
    assert (await scrape(port)).value("relay_config_reload_success") == 1


async def reload(daemon: Daemon, text: str, event: str) -> None:
    daemon.config.write_text(text, encoding="utf-8")
    daemon.signal(signal.SIGHUP)
    await daemon.wait_for_log(event)


async def test_a_standby_says_so_and_tells_of_no_backlog(world: World, port: int) -> None:
    await world.start()
    standby = await world.start(listening(port))
    await standby.wait_for_log("relay.standby")

    seen = await scrape(port)

    assert seen.value("relay_active") == 0
    assert seen.all("relay_backlog") == {}


async def test_a_scrape_is_answered_while_the_database_is_away(world: World, port: int) -> None:
    daemon = await world.start(listening(port))
    name = await world.application.fetchval("select current_database()")
    elsewhere = urlsplit(world.dsn)._replace(path="/postgres").geturl()
    async with connected(elsewhere) as admin:
        await admin.execute(f'alter database "{name}" allow_connections false')
        await admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name)
        await daemon.wait_for_log("database.lost")

        async def is_seen() -> Scrape | None:
            seen = await scrape(port)
            return seen if seen.value("relay_active") == 0 else None

        seen = await eventually(is_seen, "a scrape of a relay that lost its database")
        assert seen is not None
        assert seen.value("relay_database_up") == 0
        assert seen.all("relay_backlog") == {}
        await admin.execute(f'alter database "{name}" allow_connections true')
    await daemon.wait_for_log("database.restored")
    assert (await scrape(port)).value("relay_database_up") == 1
