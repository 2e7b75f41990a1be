"""Endpoints' secrets as they are stored."""

import contextlib
import os
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.store.secrets import NONCE, CannotOpen, SecretBox, key_id_of

OLD, NEW = os.urandom(32), os.urandom(32)
SECRET = "whsec_" + "QUJD" * 11


@pytest.mark.parametrize("keys", [(), (OLD,), (NEW, OLD)], ids=["none", "one", "two"])
def test_what_was_sealed_opens_again(keys: tuple[bytes, ...]) -> None:
    box, endpoint_id = SecretBox(keys), uuid4()

    sealed = box.seal(SECRET, endpoint_id=endpoint_id)

    assert box.open(sealed.sealed, sealed.key_id, endpoint_id=endpoint_id) == SECRET
    assert sealed.key_id == (key_id_of(keys[0]) if keys else None)
    assert (SECRET.encode() in sealed.sealed) == (not keys)


def test_two_seals_of_one_secret_have_nothing_in_common() -> None:
    box, endpoint_id = SecretBox((OLD,)), uuid4()
    first, second = (box.seal(SECRET, endpoint_id=endpoint_id).sealed for _ in range(2))
    assert first[:NONCE] != second[:NONCE]
    assert first[NONCE:] != second[NONCE:]


def test_an_older_key_opens_what_it_sealed() -> None:
    endpoint_id = uuid4()
    sealed = SecretBox((OLD,)).seal(SECRET, endpoint_id=endpoint_id)
    assert SecretBox((NEW, OLD)).open(sealed.sealed, sealed.key_id, endpoint_id=endpoint_id) == SECRET


@pytest.mark.parametrize("keys", [(), (NEW,)])
def test_what_another_key_sealed_cannot_be_opened(keys: tuple[bytes, ...]) -> None:
    endpoint_id = uuid4()
    sealed = SecretBox((OLD,)).seal(SECRET, endpoint_id=endpoint_id)
    with pytest.raises(CannotOpen, match=f"sealed by master key {key_id_of(OLD)}"):
        SecretBox(keys).open(sealed.sealed, sealed.key_id, endpoint_id=endpoint_id)


def test_what_belongs_to_another_endpoint_cannot_be_opened() -> None:
    box = SecretBox((OLD,))
    sealed = box.seal(SECRET, endpoint_id=uuid4())
    with pytest.raises(CannotOpen, match="another endpoint's"):
        box.open(sealed.sealed, sealed.key_id, endpoint_id=uuid4())


@given(st.integers(0, 200), st.integers(1, 255))
def test_a_changed_byte_is_noticed(place: int, change: int) -> None:
    box, endpoint_id = SecretBox((OLD,)), uuid4()
    sealed = box.seal(SECRET, endpoint_id=endpoint_id)
    damaged = bytearray(sealed.sealed)
    damaged[place % len(damaged)] ^= change
    with pytest.raises(CannotOpen) as caught:
        box.open(bytes(damaged), sealed.key_id, endpoint_id=endpoint_id)
    assert SECRET not in str(caught.value)


@given(st.binary(max_size=60))
def test_whatever_is_stored_opens_or_is_refused(stored: bytes) -> None:
    for box, key_id in ((SecretBox((OLD,)), key_id_of(OLD)), (SecretBox(), None)):
        with contextlib.suppress(CannotOpen):
            box.open(stored, key_id, endpoint_id=uuid4())


def test_the_name_of_a_key_tells_nothing_of_it() -> None:
    assert key_id_of(OLD) != key_id_of(NEW)
    assert len(key_id_of(OLD)) == 16
    assert key_id_of(OLD) not in OLD.hex()
