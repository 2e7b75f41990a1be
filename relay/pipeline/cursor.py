"""Where the reading of relay.fresh stands: the difference of two snapshots, kept in memory only."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class FreshCursor:
    """What the next look has to read: transactions that were in progress at the last one, and everything newer.

    A new cursor reads all there is, which is also the recovery after any doubt.
    """

    open: dict[int, int] = field(default_factory=dict)
    after: tuple[int, int] = (0, -1)
    snapshot: str | None = None

    @property
    def is_new(self) -> bool:
        """Whether it reads from the beginning."""
        return not self.open and self.after == (0, -1) and self.snapshot is None

    def arguments(self) -> tuple[list[str], list[int], str, int, str | None]:
        """Return the first five arguments of the statement `look`."""
        return (
            [str(xid) for xid in self.open],
            list(self.open.values()),
            str(self.after[0]),
            self.after[1],
            self.snapshot,
        )

    def took(self, snapshot: str, keys: list[tuple[int, int]], *, has_more: bool) -> None:
        """Go on after a look.

        Args:
            snapshot: The one that the look saw.
            keys: (transaction, seq) of the rows that it returned.
            has_more: There may be more in this snapshot; else its paging ends.
        """
        if not has_more:
            _, xmax, in_progress = parse_snapshot(snapshot)
            self.open = dict.fromkeys(in_progress, -1)
            self.after = (xmax, -1)
            self.snapshot = None
            return
        self.snapshot = snapshot
        for xid, seq in keys:
            if xid in self.open:
                self.open[xid] = seq
            else:
                self.after = (xid, seq)


def is_visible(xid: int, snapshot: str) -> bool:
    """Say whether a snapshot sees what this transaction wrote."""
    xmin, xmax, in_progress = parse_snapshot(snapshot)
    return xid < xmin or (xid < xmax and xid not in in_progress)


def parse_snapshot(text: str) -> tuple[int, int, tuple[int, ...]]:
    """Return xmin, xmax and the transactions in progress of a `pg_snapshot` as PostgreSQL writes it."""
    xmin, xmax, in_progress = text.split(":")
    return int(xmin), int(xmax), tuple(int(xid) for xid in in_progress.split(",") if xid)
