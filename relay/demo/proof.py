"""The checker: a pure function over what was committed, what was rolled back, and what was received."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from relay.demo.records import Event, Pair, Receipt

Kind = Literal["lost", "unexpected", "signature failures", "altered", "log"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, with the event that it is about."""

    kind: Kind
    event_id: str
    endpoint: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What the records add up to.

    Attributes:
        committed: Committed events.
        rolled_back: Events whose transaction was rolled back.
        expected: Deliveries: every committed event at every endpoint that subscribes to its type.
        received: Requests, whatever was answered.
        accepted: Requests answered 2xx.
        retried: Requests that were no first attempt.
        duplicates: Requests answered 2xx after the first one of their delivery.
        findings: Everything that is wrong.
    """

    committed: int
    rolled_back: int
    expected: int
    received: int
    accepted: int
    retried: int
    duplicates: int
    findings: tuple[Finding, ...]

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def count(self, kind: Kind) -> int:
        """Return how many findings there are of one kind."""
        return sum(finding.kind == kind for finding in self.findings)


def prove(committed: Mapping[str, Event], rolled_back: Collection[str], receipts: Sequence[Receipt]) -> Proof:
    """Compare what the application did with what the receiver got.

    Whole means: every committed event arrived, verified and byte for byte, at every endpoint that subscribes to
    its type, and nothing else ever did. A second arrival is counted and is no fault: delivery is at least once.

    Args:
        committed: The events whose transaction was committed, by id.
        rolled_back: The ids of the events whose transaction was rolled back.
        receipts: Every request, in the order in which they came.
    """
    accepted = Counter(receipt.pair for receipt in receipts if receipt.is_accepted)
    wrong = [finding for receipt in receipts for finding in _faults(receipt, committed, rolled_back)]
    return Proof(
        committed=len(committed),
        rolled_back=len(rolled_back),
        expected=sum(len(event.endpoints) for event in committed.values()),
        received=len(receipts),
        accepted=accepted.total(),
        retried=sum(receipt.attempt > 1 for receipt in receipts),
        duplicates=accepted.total() - len(accepted),
        findings=(*_lost(committed, accepted), *wrong),
    )


def compare_with_log(receipts: Iterable[Receipt], logged: Iterable[Pair]) -> tuple[Finding, ...]:
    """Compare the requests that were answered 2xx with what the delivery log calls delivered.

    Args:
        receipts: Every request.
        logged: A pair for each delivered row of the log.
    """
    accepted = Counter(receipt.pair for receipt in receipts if receipt.is_accepted)
    delivered = Counter(logged)
    return tuple(
        Finding(
            kind="log",
            event_id=pair[0],
            endpoint=pair[1],
            what=f"answered 2xx {_times(accepted[pair])}, logged as delivered {_times(delivered[pair])}",
        )
        for pair in accepted | delivered
        if accepted[pair] != delivered[pair]
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _lost(committed: Mapping[str, Event], accepted: Collection[Pair]) -> Iterable[Finding]:
    return (
        Finding(kind="lost", event_id=event.id, endpoint=endpoint, what="committed, and never arrived")
        for event in committed.values()
        for endpoint in sorted(event.endpoints)
        if (event.id, endpoint) not in accepted
    )


def _faults(
    receipt: Receipt, committed: Mapping[str, Event], rolled_back: Collection[str]
) -> Iterable[Finding]:
    event = committed.get(receipt.event_id)
    if receipt.fault:
        yield _finding("signature failures", receipt, receipt.fault)
    if event is None:
        is_undone = receipt.event_id in rolled_back
        yield _finding(
            "unexpected",
            receipt,
            "rolled back, and arrived" if is_undone else "arrived, and nobody committed it",
        )
        return
    if receipt.endpoint not in event.endpoints:
        yield _finding("unexpected", receipt, f"{event.event_type} arrived where nobody subscribes to it")
    if receipt.event_type != event.event_type:
        yield _finding(
            "altered", receipt, f"committed as {event.event_type}, arrived as {receipt.event_type!r}"
        )
    if receipt.digest != event.digest:
        yield _finding("altered", receipt, "the body is not the payload that was committed, byte for byte")


def _finding(kind: Kind, receipt: Receipt, what: str) -> Finding:
    return Finding(kind=kind, event_id=receipt.event_id, endpoint=receipt.endpoint, what=what)
