"""Sealing what is still plain, with a database that fails meanwhile."""

import asyncio
from collections.abc import Iterator
from typing import Any, cast

import asyncpg
import pytest

from relay.endpoints.rows import EndpointRows
from relay.keyring import Keyring
from relay.store import sealing
from relay.store.secrets import SecretBox
from relay.store.session import DatabaseAway, Session
from relay.store.watch import Backoff, DatabaseWatch


@pytest.mark.parametrize(
    ("failures", "tries"),
    [((), 1), ((DatabaseAway("gone"),) * 2, 3), ((asyncpg.InsufficientPrivilegeError("no"),), 1)],
)
async def test_the_database_is_not_taken_for_away_when_it_is_over(
    monkeypatch: pytest.MonkeyPatch, failures: tuple[Exception, ...], tries: int
) -> None:
    left: Iterator[Exception] = iter(failures)
    tried = 0

    async def seal_all(*_: Any, **__: Any) -> tuple[int, int]:
        nonlocal tried
        tried += 1
        if error := next(left, None):
            raise error
        return 1, 0

    async def announce(_key_ids: Any) -> None:
        pass

    monkeypatch.setattr(sealing, "seal_all", seal_all)
    watch, active = DatabaseWatch(), asyncio.Event()
    active.set()
    keyring = Keyring(
        box=SecretBox([bytes(32)]),
        rows=cast("EndpointRows", None),
        session=cast("Session", None),
        announce=announce,
        changed=lambda: None,
        refused=lambda: None,
    )

    await asyncio.wait_for(keyring.seal_plain(active=active, backoff=Backoff(watch, "sealing")), 20)
    assert tried == tries
    assert watch.is_up
