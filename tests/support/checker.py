"""Compares what applications committed, what receivers got, and what the database says at the end.

Everything is told by (event id, path): the path of an endpoint's URL names it, in receipts as well.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from relay.receiver import VerificationError, verify
from tests.support.application import SECRET, Application, sha256
from tests.support.receiver import Receipt, Receiver

Name = tuple[str, str]
"""Event id and path."""
ENDED_UNSENT = frozenset({"dead", "cancelled", "unrouted"})
WAITING = frozenset({"pending", "in_flight", "retrying", "held"})

Verifier = Callable[[Receipt], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What does not agree; every list is empty when all is well.

    Attributes:
        lost: Committed, but neither taken by its receiver nor in a state that a person sees.
        unfinished: Still waiting, so it is too early to judge.
        unexpected: Received, but never committed for that endpoint.
        altered: Received with another body than was committed.
        unverified: Received with a signature that is not right.
        unreceipted: Delivered by the database's word, but never received.
        unrecorded: Received and answered 2xx, but the database knows nothing of a delivery.
        duplicates: How often more than once each was taken; not wrong in itself, but to be bounded.
    """

    lost: list[Name] = field(default_factory=list)
    unfinished: list[Name] = field(default_factory=list)
    unexpected: list[Name] = field(default_factory=list)
    altered: list[Name] = field(default_factory=list)
    unverified: list[Name] = field(default_factory=list)
    unreceipted: list[Name] = field(default_factory=list)
    unrecorded: list[Name] = field(default_factory=list)
    duplicates: Counter[Name] = field(default_factory=Counter)

    @property
    def wrong(self) -> dict[str, list[Name]]:
        """Everything that must not be, by kind."""
        kinds = (
            "lost",
            "unfinished",
            "unexpected",
            "altered",
            "unverified",
            "unreceipted",
            "unrecorded",
        )
        return {kind: found for kind in kinds if (found := getattr(self, kind))}

    def assert_right(self, *, most_duplicates: int = 0) -> None:
        """Fail with what is wrong.

        Raises:
            AssertionError: Something is, or more came twice than the faults of the test may explain.
        """
        summary = {kind: (len(found), found[:5]) for kind, found in self.wrong.items()}
        assert not summary, f"the three logs do not agree: {summary}"
        total = self.duplicates.total()
        assert total <= most_duplicates, (
            f"{total} duplicates, at most {most_duplicates}: {self.duplicates.most_common(5)}"
        )


def check(
    *,
    committed: Mapping[Name, str],
    receipts: Iterable[Receipt],
    states: Mapping[Name, str],
    is_verified: Verifier | None = None,
) -> Findings:
    """Compare the three logs.

    Args:
        committed: The hash of the body, for each event and each endpoint that must get it.
        receipts: What receivers got, in any order.
        states: What relay.delivery_status says at the end.
        is_verified: Whether a receipt's signature is right; by default any of `SECRET`.
    """
    is_verified = is_verified or signed_with(SECRET)
    taken: Counter[Name] = Counter()
    received: Counter[Name] = Counter()
    findings = Findings()
    for receipt in receipts:
        name = (receipt.request.event_id, receipt.request.path)
        received[name] += 1
        if receipt.status is None or is_success(receipt.status):
            taken[name] += 1
        if name not in committed:
            findings.unexpected.append(name)
        elif committed[name] != sha256(receipt.request.body):
            findings.altered.append(name)
        if not is_verified(receipt):
            findings.unverified.append(name)
    for name in committed:
        _judge(name, taken[name], states.get(name, ""), findings)
    findings.unreceipted.extend(n for n, state in states.items() if state == "delivered" and not received[n])
    findings.duplicates.update({name: count - 1 for name, count in taken.items() if count > 1})
    return findings


def _judge(name: Name, taken: int, state: str, findings: Findings) -> None:
    if state in WAITING:
        findings.unfinished.append(name)
    elif state == "delivered" or state in ENDED_UNSENT:
        pass
    elif taken:
        findings.unrecorded.append(name)
    else:
        findings.lost.append(name)


def is_success(status: int) -> bool:
    """Say whether a receiver took the event with this status."""
    return 200 <= status <= 299


def signed_with(*secrets: str, tolerance: float = 3600) -> Verifier:
    """Return a verifier that wants both signatures of each receipt to be right by one of these secrets."""

    def is_verified(receipt: Receipt) -> bool:
        request = receipt.request
        try:
            for form in ("standard", "x-webhook"):
                found = verify(request.body, request.headers, list(secrets), form, tolerance, request.wall)
                if found.event_id != request.event_id:
                    return False
        except VerificationError:
            return False
        return True

    return is_verified


async def check_everything(
    application: Application, *receivers: Receiver, paths: Iterable[str] = ("/hook",)
) -> Findings:
    """Compare the application's books with these receivers and with the database.

    Args:
        application: Its doubtful events are settled first.
        receivers: All there are.
        paths: Of the endpoints; every one of them must get every committed event.
    """
    await application.settle()
    paths = list(paths)
    books = application.books.committed
    return check(
        committed={(str(event_id), path): digest for event_id, digest in books.items() for path in paths},
        receipts=[receipt for receiver in receivers for receipt in receiver.receipts],
        states=await states_of(application),
    )


async def states_of(application: Application) -> dict[Name, str]:
    """Return the state of every delivery by the database's word."""
    rows = await application.fetch(
        "select s.event_id, e.url, s.state from relay.delivery_status s left join relay.endpoint e"
        " on e.id = s.endpoint_id where s.event_id is not null"
    )
    return {(str(row["event_id"]), _path(row["url"])): row["state"] for row in rows}


def _path(url: str | None) -> str:
    return "" if url is None else "/" + url.split("/", 3)[3]


def names(event_ids: Iterable[UUID], path: str = "/hook") -> list[Name]:
    """Return the names of these events' deliveries to one path."""
    return [(str(event_id), path) for event_id in event_ids]
