"""Endpoints' secrets as they are stored."""

from uuid import uuid4

import pytest

from relay.store.secrets import CannotOpen, SecretBox


def test_what_was_sealed_opens_again() -> None:
    box, endpoint_id = SecretBox(), uuid4()
    sealed = box.seal("whsec_abc", endpoint_id=endpoint_id)
    assert box.open(sealed.sealed, sealed.key_id, endpoint_id=endpoint_id) == "whsec_abc"


def test_without_a_master_key_it_says_that_nothing_is_encrypted() -> None:
    assert SecretBox().seal("whsec_abc", endpoint_id=uuid4()).key_id is None


def test_what_another_key_sealed_cannot_be_opened() -> None:
    with pytest.raises(CannotOpen, match="sealed by master key k1"):
        SecretBox().open(b"...", "k1", endpoint_id=uuid4())


def test_damage_is_told_without_the_secret() -> None:
    with pytest.raises(CannotOpen, match="damaged") as caught:
        SecretBox().open(b"whsec_\xff", None, endpoint_id=uuid4())
    assert "whsec" not in str(caught.value)
