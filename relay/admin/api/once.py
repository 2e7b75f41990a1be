"""Creating once what a program may ask for twice, since it did not hear the first answer."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID, uuid4

from relay.admin.api.ask import Ask
from relay.admin.api.reading import IDEMPOTENCY_KEY
from relay.admin.problems import Problem, ProblemError
from relay.store.session import Session, Statements, Together

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Creation(Generic[T]):
    """How something is created, and found again.

    Attributes:
        what: Tells this kind of creation from others under one key.
        create: Creates it under this id; what stands then may have another.
        find: Returns what was created under an id before.
        id_of: The id of what was created.
    """

    what: str
    create: Callable[[Statements, UUID], Awaitable[T]]
    find: Callable[[Statements, UUID], Awaitable[T]]
    id_of: Callable[[T], UUID]


async def once(ask: Ask, creation: Creation[T]) -> tuple[T, bool]:
    """Create something, or return what was created when the same was asked under the same key before.

    The key is kept for a day, for the token alone.

    Returns:
        What was created, and whether that was just now.

    Raises:
        ProblemError: Something else was asked under the key (422).
    """
    async with ask.session() as session:
        if ask.idempotency_key is None:
            return await creation.create(session, uuid4()), True
        return await _under_key(session, ask, ask.idempotency_key, creation)


async def _under_key(session: Session, ask: Ask, key: str, creation: Creation[T]) -> tuple[T, bool]:
    await session.fetch("idempotency_prune")
    token_id, fingerprint, new_id = ask.principal.token_id, _fingerprint(ask, creation.what), uuid4()
    async with session.transaction() as run:
        (row,) = await run("idempotency_take", token_id, key, fingerprint, new_id)
        if row["object_id"] == new_id:
            made = await creation.create(Together(run), new_id)
            if creation.id_of(made) != new_id:
                await run("idempotency_point", token_id, key, creation.id_of(made))
            return made, True
    if row["request_hash"] != fingerprint:
        raise ProblemError(
            Problem(
                status=422,
                code="idempotency_key_reused",
                detail=f"something else was asked under this {IDEMPOTENCY_KEY} within the last day; use a new one",
            )
        )
    return await creation.find(session, row["object_id"]), False


def _fingerprint(ask: Ask, what: str) -> bytes:
    # Read and written anew, spaces and the order of members make no difference; but a payload's do.
    asked = f"{what}\n{ask.body.model_dump_json()}"
    return hashlib.sha256(asked.encode()).digest()
