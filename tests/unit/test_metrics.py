"""`/metrics`, the catalogue, the reference, the dashboard and the alert rules name the same metrics."""

import asyncio
import json
import re
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from prometheus_client.parser import text_string_to_metric_families

from relay.model import Retrying
from relay.observe.histogram import Histogram
from relay.observe.metric_catalogue import CATALOGUE, METRICS, MetricKind, render
from relay.observe.metrics import Metrics
from relay.observe.readings import Readings, Waiting
from relay.observe.tally import Tally
from tests.support.results import claim, result

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "docs/monitoring"
DOCUMENTS = (*MONITORING.iterdir(), ROOT / "docs/operations.md", ROOT / "README.md")
ENDPOINTS = [(UUID(int=number), "active" if number % 3 else "paused") for number in range(1, 10)]
Samples = dict[tuple[str, ...], float]

_NAME = re.compile(r"\b(?:relay|process)_[a-z_]+(?=[\s{(\[,)`\"\\]|$)", re.MULTILINE)
_NO_METRICS = {"relay_daemon", "relay_app", "relay_reader", "relay_owner", "relay_instance"}


async def nothing() -> None:
    """Have nothing to look at."""


def readings() -> Readings:
    """Return readings in which everything has some value."""
    tally = Tally(max_endpoints=2, clock=lambda: 0.0)
    tally.batch([result(claim(endpoint_id=endpoint_id)) for endpoint_id, _ in ENDPOINTS], ())
    tally.batch([result(outcome=Retrying(delay=1.0))], ())
    duration = Histogram((0.1, 1.0))
    duration.add(0.5)
    return Readings(
        tally=tally,
        claim_duration=duration,
        record_duration=duration,
        max_endpoints=4,
        look_at_backlog=nothing,
        backlog=lambda: {"held": Waiting(deliveries=7, oldest_age=12.5)},
        endpoints=lambda: ENDPOINTS,
        is_endpoint=lambda _: True,
        alerts=lambda: {"low_delivery_rate": 1, "backlog_age": 0},
        in_flight=lambda: 3,
        notifications=lambda: 4,
        loop_lag=lambda: 0.25,
        is_active=lambda: True,
        is_database_up=lambda: False,
        has_reloaded=lambda: True,
    )


async def scraped(of: Readings) -> dict[str, tuple[str, Samples]]:
    """Return of each metric its kind, and its samples by name and labels, these in alphabetical order."""
    text = (await Metrics(of).render()).decode()
    found: dict[str, tuple[str, Samples]] = {}
    for family in text_string_to_metric_families(text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        samples = {(each.name, *each.labels.values()): each.value for each in family.samples}
        found[name] = (family.type, samples)
    return found


def names_in(text: str) -> set[str]:
    found = set(_NAME.findall(text)) - _NO_METRICS
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in found}


async def test_every_metric_of_the_catalogue_is_exported_and_no_other() -> None:
    exported = await scraped(readings())

    own = {name: kind for name, (kind, _) in exported.items() if name.startswith("relay_")}
    assert own == {metric.name: metric.kind for metric in CATALOGUE}


async def test_a_sample_has_the_labels_of_the_catalogue() -> None:
    text = (await Metrics(readings()).render()).decode()

    for family in text_string_to_metric_families(text):
        known = METRICS.get(f"{family.name}_total" if family.type == "counter" else family.name)
        for sample in family.samples if known else ():
            assert known is not None
            assert set(sample.labels) - {"le"} == set(known.labels), sample.name


async def test_a_histogram_is_cumulative_and_ends_with_everything() -> None:
    _, samples = (await scraped(readings()))["relay_claim_duration_seconds"]

    assert samples == {
        ("relay_claim_duration_seconds_bucket", "0.1"): 0,
        ("relay_claim_duration_seconds_bucket", "1.0"): 1,
        ("relay_claim_duration_seconds_bucket", "+Inf"): 1,
        ("relay_claim_duration_seconds_count",): 1,
        ("relay_claim_duration_seconds_sum",): 0.5,
    }


async def test_what_is_known_of_the_backlog_is_shown_with_zero_for_the_rest() -> None:
    exported = await scraped(readings())

    _, backlog = exported["relay_backlog"]
    assert backlog["relay_backlog", "held"] == 7
    assert sum(backlog.values()) == 7
    assert len(backlog) == 5
    assert exported["relay_backlog_oldest_age_seconds"][1] == {
        ("relay_backlog_oldest_age_seconds", "held"): 12.5
    }


async def test_a_backlog_that_is_not_known_is_not_zero() -> None:
    exported = await scraped(replace(readings(), backlog=lambda: None))

    assert exported["relay_backlog"][1] == {}


async def test_endpoints_that_take_nothing_are_shown_first_and_all_are_counted() -> None:
    exported = await scraped(readings())

    shown = [labels[2] for labels in exported["relay_endpoint_state"][1]]
    assert shown == ["paused", "paused", "paused", "active"]
    assert exported["relay_endpoints"][1] == {
        ("relay_endpoints", "active"): 6,
        ("relay_endpoints", "paused"): 3,
    }


async def test_the_counts_of_endpoints_without_their_own_are_called_other() -> None:
    _, samples = (await scraped(readings()))["relay_endpoint_attempts_total"]

    assert samples["relay_endpoint_attempts_total", "2xx", "other"] == 7 + 1
    assert len(samples) == 3


async def test_the_loop_turns_while_a_scrape_is_answered() -> None:
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    turning = asyncio.create_task(turn())
    await Metrics(readings()).render()
    turning.cancel()

    assert turns >= len(CATALOGUE)


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
def test_a_metric_is_named_and_described_completely(metric: MetricKind) -> None:
    assert re.fullmatch(r"relay_[a-z]+(_[a-z]+)*", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.meaning.endswith(".")
    assert not metric.more or metric.more.endswith(".")


def test_no_metric_is_listed_twice() -> None:
    assert len(METRICS) == len(CATALOGUE)


def test_the_reference_is_what_the_catalogue_says() -> None:
    reference = (ROOT / "docs/reference/metrics.md").read_text(encoding="utf-8")

    assert reference == render(), "run: python -m relay.observe.metric_catalogue > docs/reference/metrics.md"


async def test_every_metric_that_is_exported_is_in_the_reference() -> None:
    exported = await scraped(readings())

    assert set(exported) == names_in(render())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_metric_that_is_named_for_monitoring_is_in_the_reference(document: Path) -> None:
    assert names_in(document.read_text(encoding="utf-8")) <= names_in(render())


def test_the_dashboard_and_the_rules_ask_for_metrics() -> None:
    dashboard = json.loads((MONITORING / "grafana-dashboard.json").read_text(encoding="utf-8"))
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    rules = re.findall(
        r"alert: (\w+)\n\s+expr: (?:\|\n)?(.*?)\n\s+(?:for|labels):",
        (MONITORING / "relay.rules.yml").read_text(encoding="utf-8"),
        re.DOTALL,
    )

    assert len(asked) > 20
    assert all(names_in(expression) for expression in asked)
    assert len(rules) > 10
    assert all(names_in(expression) for _, expression in rules)


def test_the_dashboard_shows_every_metric() -> None:
    shown = names_in((MONITORING / "grafana-dashboard.json").read_text(encoding="utf-8"))

    assert shown >= set(METRICS)


def test_the_search_finds_names_and_leaves_the_rest() -> None:
    text = 'rate(relay_x_seconds_bucket{job="relay"}[5m]) > relay_y # relay_app'

    assert names_in(text) == {"relay_x_seconds", "relay_y"}
