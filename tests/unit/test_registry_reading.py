"""When the registry is read anew, though it is being read already."""

import asyncio
from typing import cast

from relay.config import Settings
from relay.endpoints.defaults import breaker_rules_of
from relay.endpoints.health import Standings
from relay.endpoints.registry import Registry
from relay.endpoints.rows import Changes, EndpointRows
from relay.store.session import Session


class SlowRows:
    """A reading that waits until it may end."""

    def __init__(self) -> None:
        self.known: list[int] = []
        self.may_end = asyncio.Event()

    async def read(self, _session: Session, *, known: int) -> Changes:
        self.known.append(known)
        await self.may_end.wait()
        return Changes(
            version=8,
            is_whole=not known,
            endpoints=(),
            removed=(),
            open_for={},
            throttled_for={},
            failing={},
        )


async def test_what_is_to_be_read_anew_is_though_a_reading_was_under_way() -> None:
    rows, session = SlowRows(), cast("Session", None)
    standings = Standings(rules=breaker_rules_of(Settings()), note_due=lambda *_: None)
    registry = Registry(cast("EndpointRows", rows), standings)
    for _ in range(2):
        reading = asyncio.create_task(registry.refresh(session))
        await asyncio.sleep(0)
        standings.distrust()
        registry.read_all_again()
        rows.may_end.set()
        await reading
        assert registry.version == 0
        assert standings.is_distrusted, "until what was asked for has been read"

    await registry.refresh(session)
    assert registry.version == 8
    assert not standings.is_distrusted
    assert rows.known == [0, 0, 0]
