"""Whose condition changed and is yet to be written down."""

import asyncio
from collections.abc import Iterable
from uuid import UUID


class ChangedIds:
    """Endpoints, each once, in the order in which they changed.

    Attributes:
        some: Set while there may be any.
    """

    def __init__(self) -> None:
        self._ids: dict[UUID, None] = {}
        self.some = asyncio.Event()

    def add(self, endpoint_id: UUID) -> None:
        """Note that an endpoint changed."""
        self._ids[endpoint_id] = None
        self.some.set()

    def take(self) -> list[UUID]:
        """Return those that changed since they were last taken."""
        self.some.clear()
        ids, self._ids = self._ids, {}
        return list(ids)

    def put_back(self, endpoint_ids: Iterable[UUID]) -> None:
        """Take back what could not be written down; it comes with the next change or look."""
        self._ids.update(dict.fromkeys(endpoint_ids))
