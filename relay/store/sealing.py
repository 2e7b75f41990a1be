"""Which master keys the stored secrets need, and sealing them anew with the current one."""

from relay.config_sources import ConfigError
from relay.store.secrets import CannotOpen, SecretBox
from relay.store.session import Session

BATCH = 500


async def check(session: Session, box: SecretBox) -> None:
    """Refuse to start where secrets cannot be opened for want of a key: nothing could be signed.

    Raises:
        ConfigError: A master key is missing that sealed stored secrets.
    """
    missing = {
        row["key_id"]: row["number"]
        for row in await session.fetch("secret_keys")
        if row["key_id"] is not None and row["key_id"] not in box.key_ids
    }
    if missing:
        listed = ", ".join(f"{key_id} ({number} secrets)" for key_id, number in sorted(missing.items()))
        problem = (
            f"security.master_key lacks keys that sealed secrets in this database: {listed}; "
            "put them beside the current one, which comes first"
        )
        raise ConfigError((problem,))


async def check_sealing(session: Session, box: SecretBox) -> None:
    """Refuse to store a secret in the clear where others are sealed.

    Raises:
        ConfigError: There is no master key, and the database has secrets that one sealed.
    """
    if box.current is None and any(row["key_id"] is not None for row in await session.fetch("secret_keys")):
        problem = (
            "security.master_key is not set here, and the secrets in this database are sealed: "
            "a new one would be stored in the clear; give this command the relay's master key"
        )
        raise ConfigError((problem,))


async def relays_without(session: Session, key_id: str) -> list[str]:
    """Return the running relays that lack a master key, or do not say which ones they hold, in words.

    Args:
        session: The database.
        key_id: The key.
    """
    return [
        f"{row['state']} relay {row['id']} (process {row['pid']} on {row['host']})"
        f" {'does not say which keys it holds' if row['is_silent'] else 'does not hold it'}"
        for row in await session.fetch("instances_without_key", key_id)
    ]


async def seal_all(session: Session, box: SecretBox, *, plain_only: bool = False) -> tuple[int, int]:
    """Seal every secret with the current master key that is not; returns how many were, and how many cannot be opened.

    A secret that is changed meanwhile is left as it then is. Relays notice each batch, and go on signing.

    Args:
        session: The database.
        box: Opens, and seals.
        plain_only: Only those that are not encrypted.
    """
    sealed, unreadable, after = 0, 0, 0
    while rows := await session.fetch("secret_to_seal", box.current, after, BATCH, plain_only):
        after = rows[-1]["id"]
        anew: list[tuple[int, bytes, bytes, str | None]] = []
        for row in rows:
            try:
                secret = box.open(row["sealed"], row["key_id"], endpoint_id=row["endpoint_id"])
            except CannotOpen:
                unreadable += 1
                continue
            wrapped = box.seal(secret, endpoint_id=row["endpoint_id"])
            anew.append((row["id"], row["sealed"], wrapped.sealed, wrapped.key_id))
        if anew:
            ids, before, after_, key_ids = (list(column) for column in zip(*anew, strict=True))
            changed = await session.fetch("secret_seal", ids, before, after_, key_ids)
            sealed += changed[0]["changed"]
    return sealed, unreadable
