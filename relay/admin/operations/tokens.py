"""Operations on admin tokens, and on the sessions and links that begin with one. The database has hashes only."""

import base64
import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import asyncpg

from relay.admin.operations.errors import InvalidInput, NotFound
from relay.admin.operations.inputs import checked_text
from relay.admin.principal import SCOPES, Scope
from relay.store.session import Session

PREFIX = "relay_"
"""What tokens begin with, so that people and scanners of leaked secrets recognise them."""
LINK_LIFETIME = timedelta(minutes=10)
"""How long a link that signs in can be used, once."""
_RANDOM_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An admin token as operators see it, without itself.

    Attributes:
        scope: The most that it may do: read, operate or admin.
        tenant: The only tenant that it sees and changes; None: all.
        is_valid: Neither revoked nor expired.
    """

    id: UUID
    name: str
    scope: Scope
    tenant: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    is_valid: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatedToken:
    """A new token, which is told this once."""

    token: Token
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """A new session of the panel: its cookie, and the token behind it."""

    cookie: str
    token: Token


async def create(
    session: Session,
    name: str,
    *,
    scope: Scope,
    actor: str,
    tenant: str | None = None,
    lifetime: timedelta | None = None,
) -> CreatedToken:
    """Make a token.

    Args:
        session: The database.
        name: What it is for; a person reads it in the audit.
        scope: The most that it may do.
        actor: Who makes it, for the audit.
        tenant: The only tenant that it sees and changes; None: all.
        lifetime: After which it is worth nothing; None: never.

    Raises:
        InvalidInput: The name is empty, or a text cannot be stored.
    """
    if not name.strip():
        raise InvalidInput("name is empty; say what the token is for, for example ci or grafana")
    checked_text("name", name)
    if tenant is not None:
        checked_text("tenant", tenant)
    secret = _random_secret()
    (row,) = await session.fetch("token_create", uuid4(), name, _hash(secret), scope, tenant, lifetime, actor)
    return CreatedToken(token=_token_of(row), secret=secret)


async def list_all(session: Session) -> list[Token]:
    """Return the tokens that were not revoked over 30 days ago, the newest first."""
    return [_token_of(row) for row in await session.fetch("token_list")]


async def revoke(session: Session, token_id: UUID, *, actor: str) -> bool:
    """Make a token worth nothing, with all sessions that began with it; return whether it was not so before.

    Raises:
        NotFound: There is none of that id.
    """
    row = await session.fetch_row("token_revoke", token_id, actor)
    if row is None:
        raise NotFound(f"there is no token {token_id}; `relay token list` shows those there are")
    return bool(row["is_changed"])


async def find(session: Session, secret: str) -> Token | None:
    """Return the valid token that this is, and note that it was used."""
    row = await session.fetch_row("token_find", _hash(secret))
    return None if row is None else _token_of(row)


async def create_link_code(session: Session, token_id: UUID, *, lifetime: timedelta = LINK_LIFETIME) -> str:
    """Return a code that signs in once, within its lifetime, as who has the token."""
    code = _random_secret()
    await session.fetch("sign_in_code_create", _hash(code), token_id, lifetime)
    return code


async def sign_in(session: Session, token_id: UUID, *, lifetime: timedelta) -> str:
    """Begin a session of the panel for a token, and return its cookie; what is over goes meanwhile."""
    await session.fetch("admin_prune")
    cookie = _random_secret()
    await session.fetch("admin_session_begin", _hash(cookie), token_id, lifetime)
    return cookie


async def sign_in_with_code(session: Session, code: str, *, lifetime: timedelta) -> SignIn | None:
    """Begin a session with the code of a link, which is worth nothing after; None if it was so before."""
    row = await session.fetch_row("sign_in_code_take", _hash(code))
    if row is None:
        return None
    token = _token_of(row)
    return SignIn(cookie=await sign_in(session, token.id, lifetime=lifetime), token=token)


async def find_session(session: Session, cookie: str) -> Token | None:
    """Return the valid token behind a session that has not ended."""
    row = await session.fetch_row("admin_session_find", _hash(cookie))
    return None if row is None else _token_of(row)


async def sign_out(session: Session, cookie: str) -> None:
    """End a session."""
    await session.fetch("admin_session_end", _hash(cookie))


def _random_secret() -> str:
    return PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(_RANDOM_BYTES)).rstrip(b"=").decode("ascii")


def _hash(secret: str) -> bytes:
    # Of 32 random bytes nothing slower than one hash is needed: there is nothing to guess.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


def _token_of(row: asyncpg.Record) -> Token:
    return Token(
        id=row["id"],
        name=row["name"],
        scope=max(row["scopes"], key=SCOPES.index),
        tenant=row["tenant"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
        is_valid=row["is_valid"],
    )
