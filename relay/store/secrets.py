"""Endpoints' secrets as the database holds them: sealed with a master key, each to its own endpoint."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

NONCE = 12
"""Bytes; NIST SP 800-38D, section 8.2.2: drawn at random, at most 2**32 times a key."""
_CONTEXT = b"relay.endpoint_secret\x1f"


class CannotOpen(Exception):  # noqa: N818 - it says what is the matter
    """A sealed secret that this box cannot open; the message never holds the secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A secret as it is stored.

    Attributes:
        sealed: What `relay.endpoint_secret.sealed` holds: nonce, ciphertext and tag; without a key the secret itself.
        key_id: The master key that sealed it; None: it is not encrypted.
    """

    sealed: bytes
    key_id: str | None


def key_id_of(key: bytes) -> str:
    """Return what a master key is called: it tells keys apart, and nothing of them."""
    return hashlib.sha256(b"relay.master_key\x1f" + key).hexdigest()[:16]


class SecretBox:
    """Turns secrets into what is stored, and back.

    AES-256-GCM, with the endpoint's id as associated data: what was moved to another row opens for nobody. Without a
    master key secrets are stored as they are, **without encryption**, which a `key_id` of None tells.

    Args:
        keys: Master keys of 32 bytes; the first seals, and all open.

    Attributes:
        current: The id of the key that seals; None: nothing is encrypted.
        key_ids: Of all of them.
    """

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._keys = {key_id_of(key): key for key in keys}
        self.current = key_id_of(keys[0]) if keys else None
        self.key_ids = frozenset(self._keys)

    def seal(self, secret: str, *, endpoint_id: UUID) -> Sealed:
        """Return what to store for the secret of an endpoint."""
        if self.current is None:
            return Sealed(sealed=secret.encode(), key_id=None)
        nonce = os.urandom(NONCE)
        text = _cipher(self._keys[self.current]).encrypt(nonce, secret.encode(), _bound_to(endpoint_id))
        return Sealed(sealed=nonce + text, key_id=self.current)

    def open(self, sealed: bytes, key_id: str | None, *, endpoint_id: UUID) -> str:
        """Return the secret of an endpoint from what is stored.

        Raises:
            CannotOpen: It was sealed by a master key that is not there, or for another endpoint, or is damaged.
        """
        try:
            if key_id is None:
                return sealed.decode()
            if key_id not in self._keys:
                raise CannotOpen(
                    f"the secret of endpoint {endpoint_id} is sealed by master key {key_id}, which is not there; "
                    "put that key into security.master_key"
                )
            return _opened(self._keys[key_id], sealed, endpoint_id)
        except ValueError:
            raise CannotOpen(
                f"the stored secret of endpoint {endpoint_id} is damaged, or another endpoint's; rotate it"
            ) from None


def _opened(key: bytes, sealed: bytes, endpoint_id: UUID) -> str:
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as below

    try:
        opened: bytes = _cipher(key).decrypt(sealed[:NONCE], sealed[NONCE:], _bound_to(endpoint_id))
        return opened.decode()
    except InvalidTag as error:
        raise ValueError from error


def _cipher(key: bytes):  # type: ignore[no-untyped-def]  # noqa: ANN202 - its type would be imported too
    # Slow to import, and whoever has no master key needs none of it.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    return AESGCM(key)


def _bound_to(endpoint_id: UUID) -> bytes:
    return _CONTEXT + endpoint_id.bytes
