"""What the demo prints at its end: the proof in words, and whatever is wrong by name."""

from collections.abc import Iterator
from dataclasses import dataclass

from relay.demo.proof import Kind, Proof

MOST_NAMED = 20
KINDS: tuple[Kind, ...] = ("lost", "unexpected", "signature failures", "altered")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that there is to say at the end.

    Attributes:
        proof: The comparison of the records.
        transactions: Transactions that were committed, as the application knows it.
        undone: Transactions that were rolled back.
        invoices: Rows of app.invoices: one for each committed transaction; None if they could not be counted.
        logged: Rows of the delivery log that say delivered; None if they could not be read.
        refused: Deliveries that the partner refused for good.
        rescued: Those of them that it took after somebody pressed Retry.
        seconds: How long the demo delivered.
        trouble: Why it ended early, in words; empty if it did not.
    """

    proof: Proof
    transactions: int
    undone: int
    invoices: int | None
    logged: int | None
    refused: int
    rescued: int
    seconds: float
    trouble: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether nothing at all is wrong."""
        return self.proof.is_whole and not self.trouble and self.invoices == self.transactions


def lines_of(report: Report) -> Iterator[str]:
    """Return the report line by line."""
    proof = report.proof
    yield "Proof"
    yield _counted("committed", proof.committed, f"events in {report.transactions} transactions")
    yield _counted(
        "rolled back", proof.rolled_back, f"events in {report.undone} transactions; none may arrive"
    )
    yield _counted("expected", proof.expected, "deliveries: each event at each endpoint subscribed")
    yield _counted("received", proof.received, f"requests, {proof.accepted} of them answered 2xx")
    yield _counted("retried", proof.retried, "attempts after one that was refused on purpose")
    yield _counted("duplicates", proof.duplicates, "second arrivals; allowed: delivery is at least once")
    yield _counted("logged", report.logged, "deliveries in relay.delivery_log, against those 2xx")
    yield _counted("invoices", report.invoices, "rows of app.invoices, against the transactions")
    yield _counted(
        "given up",
        report.refused,
        f"by the partner, on purpose; {report.rescued} taken after a Retry",
    )
    yield ""
    yield "  " + ", ".join(f"{kind} {proof.count(kind)}" for kind in KINDS)
    yield ""
    yield from _wrong(report)
    yield _verdict(report)


def _counted(name: str, count: int | None, meaning: str) -> str:
    return f"  {name:<11} {'unknown' if count is None else count:>9}  {meaning}"


def _wrong(report: Report) -> Iterator[str]:
    findings = report.proof.findings
    for finding in findings[:MOST_NAMED]:
        yield f"  {finding.kind}: event {finding.event_id} at endpoint {finding.endpoint}: {finding.what}"
    if len(findings) > MOST_NAMED:
        yield f"  and {len(findings) - MOST_NAMED} more"
    if report.invoices is not None and report.invoices != report.transactions:
        yield f"  app.invoices has {report.invoices} rows, not one for each of {report.transactions} transactions"
    if report.trouble:
        yield f"  {report.trouble}"


def _verdict(report: Report) -> str:
    if not report.is_whole:
        return f"NOT WHOLE: the lines above say what is wrong ({report.seconds:.1f} s)."
    if not report.proof.committed:
        return "Nothing was committed, and nothing arrived."
    return (
        "Whole: every committed event arrived at every endpoint that subscribes to it,\n"
        "verified and byte for byte, and nothing else did"
        f" ({report.proof.expected} deliveries in {report.seconds:.1f} s)."
    )
