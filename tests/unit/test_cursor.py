"""The cursor against a model of PostgreSQL's transactions: whatever the order of commits, all is read once."""

import itertools
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from relay.pipeline.cursor import FreshCursor, parse_snapshot

Key = tuple[int, int]


@dataclass
class Database:
    """Transactions and the rows of relay.fresh that they wrote; as many at once as `open` has."""

    next_xid: int = 1000
    seqs: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    open: dict[int, list[Key]] = field(default_factory=dict)
    committed: set[int] = field(default_factory=set)
    rows: list[Key] = field(default_factory=list)

    def begin(self) -> None:
        self.open[self.next_xid] = []
        self.next_xid += 1

    def insert(self, which: int, count: int) -> None:
        if self.open:
            xid = list(self.open)[which % len(self.open)]
            self.open[xid] += [(xid, next(self.seqs)) for _ in range(count)]

    def end(self, which: int, *, commits: bool) -> None:
        if self.open:
            xid = list(self.open)[which % len(self.open)]
            rows = self.open.pop(xid)
            if commits:
                self.committed.add(xid)
                self.rows += rows

    def snapshot(self) -> str:
        in_progress = sorted(self.open)
        xmin = in_progress[0] if in_progress else self.next_xid
        return f"{xmin}:{self.next_xid}:{','.join(map(str, in_progress))}"

    def look(self, cursor: FreshCursor, page: int) -> tuple[str, list[Key]]:
        """Do what the statement `look` does."""
        open_xids, open_after, after_xid, after_seq, paged = cursor.arguments()
        snapshot = paged or self.snapshot()
        visible = [key for key in sorted(self.rows) if is_visible(key[0], snapshot)]
        found: list[Key] = []
        for xid, after in zip(map(int, open_xids), open_after, strict=True):
            found += [key for key in visible if key[0] == xid and key[1] > after][:page]
        found += [key for key in visible if key > (int(after_xid), after_seq)][:page]
        return snapshot, sorted(found[:page])


def is_visible(xid: int, snapshot: str) -> bool:
    _, xmax, in_progress = parse_snapshot(snapshot)
    return xid < xmax and xid not in in_progress


def read(database: Database, cursor: FreshCursor, page: int) -> list[Key]:
    snapshot, keys = database.look(cursor, page)
    cursor.took(snapshot, keys, has_more=len(keys) >= page)
    return keys


steps = st.lists(
    st.one_of(
        st.tuples(st.just("begin")),
        st.tuples(st.just("insert"), st.integers(0, 10), st.integers(1, 5)),
        st.tuples(st.just("commit"), st.integers(0, 10)),
        st.tuples(st.just("roll back"), st.integers(0, 10)),
        st.tuples(st.just("look")),
    ),
    max_size=80,
)


@given(steps, st.integers(1, 6))
@settings(max_examples=300, deadline=None)
def test_whatever_the_order_of_commits_every_row_is_read_once(
    script: list[tuple[str, int, int]], page: int
) -> None:
    database, cursor, got = Database(), FreshCursor(), list[Key]()

    for name, *numbers in script:
        match name:
            case "begin":
                database.begin()
            case "insert":
                database.insert(numbers[0], numbers[1])
            case "commit" | "roll back":
                database.end(numbers[0], commits=name == "commit")
            case _:
                got += read(database, cursor, page)
    while database.open:
        database.end(0, commits=True)
    for _ in range(2 * len(database.rows) + 2):
        got += read(database, cursor, page)

    assert len(got) == len(set(got)), "a row was read twice"
    assert set(got) == set(database.rows), "a row was missed"


def test_a_new_cursor_reads_all_there_is() -> None:
    database = Database()
    for _ in range(3):
        database.begin()
        database.insert(0, 2)
        database.end(0, commits=True)
    read(database, FreshCursor(), 100)

    assert read(database, FreshCursor(), 100) == database.rows


def test_rows_of_a_transaction_that_overtook_are_not_passed_over() -> None:
    database, cursor = Database(), FreshCursor()
    database.begin()
    database.begin()
    database.insert(0, 1)
    database.insert(1, 1)
    database.end(1, commits=True)
    first = read(database, cursor, 10)
    database.end(0, commits=True)

    assert first == [(1001, 2)]
    assert read(database, cursor, 10) == [(1000, 1)]


def test_a_snapshot_is_read_as_postgresql_writes_it() -> None:
    assert parse_snapshot("10:20:10,14,15") == (10, 20, (10, 14, 15))
    assert parse_snapshot("10:10:") == (10, 10, ())
