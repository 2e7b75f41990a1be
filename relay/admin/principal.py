"""Who asks, and what they may do."""

from dataclasses import dataclass
from typing import Literal, get_args
from uuid import UUID

Scope = Literal["read", "operate", "admin"]
"""`read` sees, `operate` also retries, replays, pauses and publishes, `admin` also manages endpoints and tokens."""

SCOPES: tuple[Scope, ...] = get_args(Scope)
"""From the least to the most: each includes those before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who is behind a request.

    Attributes:
        token_id: The token that was shown, now or when the session began.
        name: Of the token.
        scope: The most that it may do.
        tenant: The only tenant that it sees and changes; None: all of them.
        actor: Who it is in the audit: "api:" or "panel:", and the token's name.
        csrf_token: What forms of its session must send along; None when a token came with the request itself.
    """

    token_id: UUID
    name: str
    scope: Scope
    tenant: str | None
    actor: str
    csrf_token: str | None = None

    def may(self, scope: Scope) -> bool:
        """Say whether it may do what needs this scope."""
        return SCOPES.index(scope) <= SCOPES.index(self.scope)
