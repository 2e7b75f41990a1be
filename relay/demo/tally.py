"""The demo's memory: the three records of the proof, and what is known of them at any moment."""

import asyncio
import time
from collections import Counter, deque
from dataclasses import dataclass

from relay.demo.records import Event, Pair, Receipt

RECENT = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """A request as the picture shows it.

    Attributes:
        receipt: The request.
        at: When it came, Unix time.
        after: Seconds since the commit was confirmed; None for a retry, or if the commit is not known yet.
    """

    receipt: Receipt
    at: float
    after: float | None


class Tally:
    """What was committed, rolled back and received, and how much of it is still under way.

    Attributes:
        committed: The committed events by id.
        rolled_back: The payloads of events that were rolled back, by id, with their types.
        receipts: Every request, as the proof will see it.
        transactions: Transactions that were committed.
        undone: Transactions that were rolled back.
        expected: Deliveries that committed events lead to, by endpoint.
        arrived: Those of them that were answered 2xx, by endpoint.
        refused: Requests that were answered with an error on purpose, by endpoint.
        recent: The latest requests, the newest first.
        whole: Set while everything that was committed has arrived.
    """

    def __init__(self) -> None:
        self.committed: dict[str, Event] = {}
        self.rolled_back: dict[str, tuple[str, str]] = {}
        self.receipts: list[Receipt] = []
        self.transactions = 0
        self.undone = 0
        self.expected: Counter[str] = Counter()
        self.arrived: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.recent: deque[Sight] = deque(maxlen=RECENT)
        self.whole = asyncio.Event()
        self.whole.set()
        self._missing = 0
        self._accepted: set[Pair] = set()
        self._committed_at: dict[str, float] = {}
        self._to_retry: set[Pair] = set()

    @property
    def under_way(self) -> int:
        """How many deliveries of committed events have not arrived yet."""
        return self._missing

    @property
    def retrying(self) -> int:
        """How many deliveries were answered with an error and not yet with 2xx."""
        return len(self._to_retry)

    @property
    def progress(self) -> int:
        """Grows with every transaction and every arrival, so that a standstill can be told."""
        return self.transactions + self.undone + len(self._accepted)

    def commit(self, events: tuple[Event, ...]) -> None:
        """Note a transaction that was committed; its first requests may have come already."""
        now = time.monotonic()
        self.transactions += 1
        for event in events:
            self.committed[event.id] = event
            self._committed_at[event.id] = now
            for endpoint in event.endpoints:
                self.expected[endpoint] += 1
                self._missing += 1
                if (event.id, endpoint) in self._accepted:
                    self._arrive(endpoint)
        self._conclude()

    def roll_back(self, events: dict[str, tuple[str, str]]) -> None:
        """Note a transaction that was rolled back: type and payload of its events, by id."""
        self.undone += 1
        self.rolled_back.update(events)

    def receive(self, receipt: Receipt, recorded: tuple[Receipt, ...]) -> None:
        """Note a request, and what of it goes into the record (itself, unless the demo is harmed on purpose)."""
        self.receipts.extend(recorded)
        self.recent.appendleft(self._sight(receipt))
        if receipt.is_accepted:
            self._accept(receipt.pair)
        else:
            self.refused[receipt.endpoint] += 1
            self._to_retry.add(receipt.pair)

    def _accept(self, pair: Pair) -> None:
        self._to_retry.discard(pair)
        if pair in self._accepted:
            return
        self._accepted.add(pair)
        event = self.committed.get(pair[0])
        if event is not None and pair[1] in event.endpoints:
            self._arrive(pair[1])
            self._conclude()

    def _arrive(self, endpoint: str) -> None:
        self.arrived[endpoint] += 1
        self._missing -= 1

    def _conclude(self) -> None:
        if self._missing:
            self.whole.clear()
        else:
            self.whole.set()

    def _sight(self, receipt: Receipt) -> Sight:
        committed_at = self._committed_at.get(receipt.event_id) if receipt.attempt == 1 else None
        after = None if committed_at is None else time.monotonic() - committed_at
        return Sight(receipt=receipt, at=time.time(), after=after)
