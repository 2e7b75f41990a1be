"""The catalogue of log events, the reference made from it, and the calls in the code say the same."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from relay.observe.catalogue import CATALOGUE, render
from relay.observe.catalogue_keys import COMMON_KEYS, KEYS

ROOT = Path(__file__).parents[2]
EVENTS = {event.name: event for event in CATALOGUE}
LEVELS = {name: name for name in ("debug", "info", "warning", "error", "critical")} | {"exception": "error"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One log call in the code."""

    where: str
    level: str
    event: str
    keys: tuple[str | None, ...]


def calls(source: str, where: str) -> Iterator[Call]:
    """Yield the calls `log.LEVEL("noun.past", key=...)`, also of loggers named otherwise that end in log."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=name) | ast.Attribute(attr=name), attr=level),
                args=[ast.Constant(value=str(event)), *_],
                keywords=keywords,
            ) if level in LEVELS and name.lower().endswith("log"):
                keys = tuple(keyword.arg for keyword in keywords)
                yield Call(where=f"{where}:{node.lineno}", level=LEVELS[level], event=event, keys=keys)
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="log"), attr="log"),
                args=[_, ast.Constant(value=str(event)), *_],
                keywords=keywords,
            ):
                keys = tuple(keyword.arg for keyword in keywords)
                yield Call(where=f"{where}:{node.lineno}", level="", event=event, keys=keys)
            case ast.Call(
                func=ast.Name(id="log_many"),
                args=[ast.Constant(value=str(level)), ast.Constant(value=str(event)), _],
            ):
                yield Call(where=f"{where}:{node.lineno}", level=level, event=event, keys=())
            case _:
                pass


def calls_in_relay() -> list[Call]:
    return [
        call
        for path in sorted((ROOT / "relay").rglob("*.py"))
        for call in calls(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))
    ]


def mistakes(found: list[Call]) -> Iterator[str]:
    for call in found:
        event = EVENTS.get(call.event)
        if event is None:
            yield f"{call.where}: {call.event} is not in relay/observe/catalogue.py"
            continue
        if call.level not in {event.level, ""}:
            yield f"{call.where}: {call.event} is {event.level} in the catalogue and {call.level} here"
        allowed = {*event.keys, *COMMON_KEYS, "exc_info", None}
        for key in call.keys:
            if key not in allowed:
                yield f"{call.where}: {call.event} has no key {key} in the catalogue"


def test_every_log_call_is_in_the_catalogue_with_its_level_and_keys() -> None:
    assert list(mistakes(calls_in_relay())) == []


def test_the_search_for_log_calls_finds_mistakes() -> None:
    source = """
log.info("relay.vanished")
self._log.error("relay.started", pid=1)
log.exception("delivery.dead", colour="red", error="x")
log.log(level, "library.printed")
log_many("info", "delivery.vanished", rows)
"""
    assert [
        mistake.partition(": ")[2].split(" in ")[0] for mistake in mistakes(list(calls(source, "x")))
    ] == [
        "relay.vanished is not",
        "relay.started is info",
        "delivery.dead has no key colour",
        "library.printed is not",
        "delivery.vanished is not",
    ]


def test_the_search_sees_the_calls_that_there_are() -> None:
    assert {"loop.stalled", "library.logged", "delivery.delivered"} <= {
        call.event for call in calls_in_relay()
    }


@pytest.mark.parametrize("event", CATALOGUE, ids=lambda event: event.name)
def test_an_event_is_named_and_described_completely(event: object) -> None:
    found = EVENTS[getattr(event, "name", "")]

    assert re.fullmatch(r"[a-z]+\.[a-z]+(_[a-z]+)*", found.name)
    assert found.level in {"debug", "info", "warning", "error"}
    assert found.meaning.endswith(".")
    assert set(found.keys) <= {*KEYS, *COMMON_KEYS}


def test_no_event_is_listed_twice_and_no_key_for_nothing() -> None:
    assert len(EVENTS) == len(CATALOGUE)
    assert {key for event in CATALOGUE for key in event.keys} >= set(KEYS)


def test_the_reference_is_what_the_catalogue_says() -> None:
    reference = (ROOT / "docs/reference/logs.md").read_text(encoding="utf-8")

    assert reference == render(), "run: python -m relay.observe.catalogue > docs/reference/logs.md"
