import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.pipeline.texts import HIDDEN, body_text, headers_json, storable

any_text = st.text(st.characters(exclude_categories=[]))
"""With surrogates and NULs."""


@given(any_text)
def test_any_text_becomes_one_that_postgresql_stores(text: str) -> None:
    kept = storable(text)

    assert "\x00" not in kept
    kept.encode()


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])))
def test_a_text_that_can_be_stored_is_left_alone(text: str) -> None:
    assert storable(text) == text


def test_bytes_that_are_no_utf8_are_shown_as_escapes() -> None:
    assert storable(b"a\xfe\xffb".decode("utf-8", "surrogateescape")) == r"a\xfe\xffb"
    assert body_text(b"a\xfe\x00b") == r"a\xfe\x00b"


@given(st.binary())
def test_any_body_becomes_a_text_that_postgresql_stores(body: bytes) -> None:
    assert "\x00" not in body_text(body)
    body_text(body).encode()


@given(st.text(st.characters(exclude_categories=["Cs"])).map(str.encode))
def test_a_body_in_utf8_is_shown_as_it_is(body: bytes) -> None:
    assert body_text(body) == body.decode().replace("\x00", r"\x00")


@given(st.lists(st.tuples(any_text, any_text)))
def test_any_headers_become_json_without_nuls(headers: list[tuple[str, str]]) -> None:
    parsed = json.loads(headers_json(headers))

    assert set(parsed) == {storable(name) for name, _ in headers}
    assert not any("\x00" in text for pair in parsed.items() for text in pair)


def test_a_header_that_spells_an_escape_is_kept_as_it_is() -> None:
    assert json.loads(headers_json([("X-Note", r"\u0000")])) == {"X-Note": r"\u0000"}


@pytest.mark.parametrize(
    "name",
    ["Authorization", "X-Webhook-Signature", "webhook-signature", "Set-Cookie", "X-Api-Key", "X-Auth-Token"],
)
def test_what_carries_a_secret_is_hidden(name: str) -> None:
    assert json.loads(headers_json([(name, "canary"), ("X-Note", "shown")])) == {
        name: HIDDEN,
        "X-Note": "shown",
    }
