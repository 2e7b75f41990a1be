"""How many deliveries a second, at what cost, and how many times what the peers make of it."""

from dataclasses import asdict
from functools import partial

from relay.bench.backlog import Rate
from relay.bench.scene import Scenery
from tests.bench.harness import Bench, median, say, spread
from tests.bench.peer_runs import PEERS, Peer, PeerRate, best_setting, missing, run_peer
from tests.bench.results import Check, Section, Table

NAME = "saturation"
EVENTS = 200_000
IN_FLIGHT = 1000
LEAST_RATE = 10_000
MOST_CPU = 75
WANTED_RATIOS = {"pgqueuer": 4, "procrastinate": 20}
HOW = """\
{events} events of 1 KB wait for one relay with 20 endpoints at their default cap and {in_flight} requests in flight, on
the same machine as PostgreSQL (`fsync = on`) and the receiver. Both signatures, the delivery log, metrics, and one log
line a delivery to a file. The clock runs from the first claim until `count(*)` of the attempts is the number of events;
the receiver counts distinct ids, and one request in a hundred is captured and verified: a run with anything lost, twice
or wrongly signed has no figure. Peers make the same POSTs with the same signatures from jobs of their own, on the same
PostgreSQL with `synchronous_commit = off`, each at the best of three settings (tests/bench/peers) and with as many jobs
as stand in the table: what would take minutes gets fewer. Their clock starts only with their first request. None of
them fans out, keeps a log of attempts or signs by itself. Each round runs all, one after the other; a ratio is the
median of the rounds' ratios."""


async def measure(bench: Bench) -> Section:
    """Measure the relay and its peers in turn."""
    events = bench.events(EVENTS)
    peers = {each: await best_setting(bench, each) for each in PEERS if _is_there(each)}
    rounds = await bench.interleaved(
        partial(bench.rate, Scenery(in_flight=IN_FLIGHT), events),
        *(partial(run_peer, bench, peer, setting) for peer, setting in peers.items()),
    )
    relay = [each for found in rounds for each in found if isinstance(each, Rate)]
    others = {
        peer: [each for found in rounds if isinstance(each := found[place], PeerRate)]
        for place, peer in enumerate(peers, 1)
    }
    ratios = {
        peer.name: median(
            [ours.per_second / theirs.per_second for ours, theirs in zip(relay, found, strict=True)]
        )
        for peer, found in others.items()
    }
    return Section(
        title="Deliveries a second, and the peers",
        how=HOW.format(events=events, in_flight=IN_FLIGHT),
        checks=(*_own_checks(relay, events), *_ratio_checks(ratios)),
        tables=(_table(bench, relay, others, peers, ratios),),
        raw={
            "relay": [asdict(each) for each in relay],
            "peers": {peer.name: [asdict(each) for each in found] for peer, found in others.items()},
        },
    )


def _is_there(peer: Peer) -> bool:
    reason = missing(peer)
    if reason:
        say(f"SKIPPED {peer.name}: {reason}")
    return reason is None


def _own_checks(relay: list[Rate], events: int) -> tuple[Check, ...]:
    rate, cpu = median([each.per_second for each in relay]), median([each.relay_us for each in relay])
    return (
        Check(
            promise=f"at least {LEAST_RATE} deliveries/s over {events} events at {IN_FLIGHT} in flight",
            found=f"{rate:.0f}/s",
            holds=rate >= LEAST_RATE,
        ),
        Check(
            promise=f"relay CPU at most {MOST_CPU} us a delivery",
            found=f"{cpu:.1f} us",
            holds=cpu <= MOST_CPU,
        ),
    )


def _ratio_checks(ratios: dict[str, float]) -> tuple[Check, ...]:
    return tuple(
        Check(
            promise=f"at least {wanted} x {name}",
            found=f"{ratios[name]:.1f} x" if name in ratios else "not measured",
            holds=ratios.get(name, 0) >= wanted,
        )
        for name, wanted in WANTED_RATIOS.items()
    )


def _table(
    bench: Bench,
    relay: list[Rate],
    others: dict[Peer, list[PeerRate]],
    settings: dict[Peer, str],
    ratios: dict[str, float],
) -> Table:
    own = [each.per_second for each in relay]
    rows = [
        [
            "**relay**",
            f"{IN_FLIGHT} in flight",
            str(bench.events(EVENTS)),
            f"{median(own):.0f}",
            spread(own),
            f"{median([each.relay_us for each in relay]):.1f}",
            f"{median([each.postgres_us for each in relay]):.1f}",
            f"{median([each.sink_us for each in relay]):.1f}",
            "1",
        ]
    ]
    for peer, found in others.items():
        rates = [each.per_second for each in found]
        rows.append([
            peer.title,
            settings[peer],
            str(bench.events(peer.events)),
            f"{median(rates):.0f}",
            spread(rates),
            f"{median([each.cpu_us for each in found]):.0f}",
            f"{median([each.store_us for each in found]):.0f}",
            "",
            f"{ratios[peer.name]:.1f}",
        ])  # fmt: skip
    heads = [
        "",
        "setting",
        "deliveries",
        "deliveries/s",
        "least-most",
        "CPU us",
        "store's CPU us",
        "receiver's CPU us",
        "relay is so many times faster",
    ]
    return Table(heads=heads, rows=rows)
