"""Which key and version an event has, and whether it is its turn."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.receiver.arrivals import Incoming
from relay.receiver.ordering import (
    MAX_KEY,
    Handle,
    IgnoreStale,
    PassOver,
    Place,
    Wait,
    WaitForGap,
    judge_turn,
    place_of,
    resolve,
)

NOW = timedelta(0)
# The example of RFC 6901, section 5.
DOCUMENT: dict[str, Any] = {
    "foo": ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
}


def incoming(body: bytes, **headers: str) -> Incoming:
    found = {name.replace("_", "-"): value for name, value in headers.items()}
    return Incoming(event_id="e", event_type=None, headers=found, body=body, signed_at=0)


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", DOCUMENT),
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/c%d", 2),
        ("/e^f", 3),
        ("/g|h", 4),
        ("/i\\j", 5),
        ('/k"l', 6),
        ("/ ", 7),
        ("/m~0n", 8),
        ("/foo/2", None),
        ("/foo/-", None),
        ("/foo/00", None),
        ("/foo/-1", None),
        ("/foo/bar/x", None),
        ("/none", None),
    ],
)
def test_a_pointer_finds_what_the_rfc_says(pointer: str, value: object) -> None:
    assert resolve(DOCUMENT, pointer) == value


@pytest.mark.parametrize("pointer", ["id", "a/b", "/a~", "/a~2"])
def test_a_text_that_is_no_pointer_is_refused(pointer: str) -> None:
    with pytest.raises(ValueError, match="no JSON pointer"):
        IgnoreStale(key=pointer)
    with pytest.raises(ValueError, match="no JSON pointer"):
        WaitForGap(key="/id", version=pointer)


def test_the_version_is_the_header_unless_the_body_has_it() -> None:
    request = incoming(b'{"id": 5, "v": 3}', x_webhook_sequence="7")

    assert place_of(IgnoreStale(key="/id"), request) == Place(key="5", version=7)
    assert place_of(IgnoreStale(key="/id", version="/v"), request) == Place(key="5", version=3)


def test_key_and_version_may_be_functions() -> None:
    rule = IgnoreStale(key=lambda it: it.json()["id"][:2], version=lambda it: len(it.body))

    assert place_of(rule, incoming(b'{"id": "abc"}')) == Place(key="ab", version=13)


@pytest.mark.parametrize(
    "body", [b"", b"no json", b"[" * 100_000, b"\xff", b'{"id": null}', b'{"id": 1.5}', b"[]"]
)
def test_what_has_no_key_has_no_order(body: bytes) -> None:
    assert place_of(IgnoreStale(key="/id"), incoming(body, x_webhook_sequence="1")) == Place()


@pytest.mark.parametrize("version", ["", "x", "1.5", "-1", "٣", "9" * 19, "9" * 5000])
def test_what_is_no_version_is_none(version: str) -> None:
    request = incoming(b'{"id": 1}', x_webhook_sequence=version)

    assert place_of(IgnoreStale(key="/id"), request) == Place(key="1")


@given(st.text())
def test_every_text_can_be_a_key_of_the_database(text: str) -> None:
    key = place_of(IgnoreStale(key=lambda _: text), incoming(b"")).key

    assert key is not None
    assert "\0" not in key
    assert len(key.encode()) <= MAX_KEY


def test_keys_that_do_not_fit_stay_apart() -> None:
    texts = ["x" * 1000, "x" * 1001, "a\0", "a\0b", "\ud800", "\udfff", "a"]
    keys = [
        place_of(IgnoreStale(key="/id"), incoming(json.dumps({"id": text}).encode())).key for text in texts
    ]

    assert len(set(keys)) == len(texts)
    assert keys[-1] == "a"


@pytest.mark.parametrize(
    ("version", "mark", "turn"),
    [
        (5, None, Handle()),
        (5, 4, Handle()),
        (5, 1, Handle()),
        (5, 5, PassOver()),
        (5, 6, PassOver()),
        (None, 6, Handle()),
    ],
)
def test_stale_is_what_is_not_above_the_mark(version: int | None, mark: int | None, turn: object) -> None:
    assert judge_turn(IgnoreStale(key="/id"), version=version, mark=mark, waited=NOW) == turn


@pytest.mark.parametrize(
    ("version", "mark", "waited", "turn"),
    [
        (1, None, 0, Handle()),
        (0, None, 0, Handle()),
        (2, None, 0, Wait(delay=timedelta(seconds=60))),
        (2, None, 59, Wait(delay=timedelta(seconds=1))),
        (2, None, 60, Handle()),
        (8, 7, 0, Handle()),
        (9, 7, 10, Wait(delay=timedelta(seconds=50))),
        (9, 7, 60, Handle()),
        (7, 7, 0, PassOver()),
        (3, 7, 99, PassOver()),
        (None, 7, 0, Handle()),
    ],
)
def test_a_gap_is_waited_for_as_long_as_the_limit(
    version: int | None, mark: int | None, waited: int, turn: object
) -> None:
    rule = WaitForGap(key="/id", limit=timedelta(seconds=60))

    assert judge_turn(rule, version=version, mark=mark, waited=timedelta(seconds=waited)) == turn


def test_what_comes_after_its_gap_was_given_up_may_be_handled_all_the_same() -> None:
    rule = WaitForGap(key="/id", late="handle")

    assert judge_turn(rule, version=3, mark=7, waited=NOW) == Handle()


def test_the_first_version_may_be_another() -> None:
    assert judge_turn(WaitForGap(key="/id", first=57), version=57, mark=None, waited=NOW) == Handle()


def test_without_a_rule_it_is_always_an_events_turn() -> None:
    assert judge_turn(None, version=1, mark=9, waited=NOW) == Handle()
    assert place_of(None, incoming(b'{"id": 1}')) == Place()


@given(st.permutations(range(1, 8)))
def test_whatever_the_order_of_arrival_the_mark_only_rises(versions: list[int]) -> None:
    mark: int | None = None
    for version in versions:
        turn = judge_turn(IgnoreStale(key="/id"), version=version, mark=mark, waited=NOW)
        assert turn == (Handle() if mark is None or version > mark else PassOver())
        mark = max(version, mark or 0)
    assert mark == 7
