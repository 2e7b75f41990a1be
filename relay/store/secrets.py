"""Endpoints' secrets as the database holds them."""

from dataclasses import dataclass
from uuid import UUID


class CannotOpen(Exception):  # noqa: N818 - it says what is the matter
    """A sealed secret that this box cannot open; the message never holds the secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A secret as it is stored.

    Attributes:
        sealed: What `relay.endpoint_secret.sealed` holds.
        key_id: The master key that sealed it; None: it is not encrypted.
    """

    sealed: bytes
    key_id: str | None


class SecretBox:
    """Turns secrets into what is stored, and back.

    This box has no master key. It stores secrets as they are, in UTF-8 and **without encryption**, and says so
    by a `key_id` of None: whoever reads the table or a dump of it has them. Encryption comes with master keys;
    what a master key sealed, this box refuses to open.
    """

    def seal(self, secret: str, *, endpoint_id: UUID) -> Sealed:  # noqa: ARG002 - what encryption will bind
        """Return what to store for the secret of an endpoint."""
        return Sealed(sealed=secret.encode(), key_id=None)

    def open(self, sealed: bytes, key_id: str | None, *, endpoint_id: UUID) -> str:
        """Return the secret of an endpoint from what is stored.

        Raises:
            CannotOpen: It was sealed by a master key that is not there, or is not what `seal` made.
        """
        if key_id is not None:
            raise CannotOpen(
                f"the secret of endpoint {endpoint_id} is sealed by master key {key_id}, which is not there; "
                "put that key into security.master_key"
            )
        try:
            return sealed.decode()
        except UnicodeDecodeError:
            raise CannotOpen(f"the stored secret of endpoint {endpoint_id} is damaged; rotate it") from None
