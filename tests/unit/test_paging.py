"""A page looks at ever more rows while it has time, and says where it stopped."""

from typing import Any

import pytest

from relay.admin.operations.errors import InvalidInput
from relay.admin.operations.paging import (
    BUDGET,
    LONGEST_LOOK,
    Look,
    Seen,
    Swept,
    from_cursor,
    look_through,
    number_of,
    to_cursor,
)


class Table:
    """Rows that are numbered from one, of which every `rare`-th matches; a row costs a time to look at."""

    def __init__(self, *, rows: int, rare: int, cost: float) -> None:
        self.rows, self.rare, self.cost = rows, rare, cost
        self.now = 0.0
        self.looks: list[int] = []

    async def look(self, after: Any, size: Look) -> Seen:
        first = 1 if after is None else after + 1
        last = min(first + size.rows - 1, self.rows)
        self.looks.append(size.rows)
        self.now += (last - first + 1) * self.cost
        found: list[Any] = [row for row in range(first, last + 1) if row % self.rare == 0]
        reached: Any = last if last < self.rows else None
        return Seen(found=found[: size.number], reached=reached)


def rows_of(swept: Swept) -> list[Any]:
    return list(swept.found)


async def test_a_full_page_takes_one_look_if_everything_matches() -> None:
    table = Table(rows=1000, rare=1, cost=0.0)
    swept = await look_through(table.look, limit=50, clock=lambda: table.now)
    assert (rows_of(swept), swept.is_full, table.looks) == (list(range(1, 51)), True, [51])


async def test_what_is_rare_is_looked_for_in_ever_larger_looks() -> None:
    table = Table(rows=100_000, rare=1000, cost=1e-9)
    swept = await look_through(table.look, limit=5, clock=lambda: table.now)
    assert rows_of(swept) == [1000, 2000, 3000, 4000, 5000]
    assert table.looks == sorted(table.looks)
    assert len(table.looks) < 10


async def test_a_page_that_finds_nothing_ends_in_time_and_says_where() -> None:
    table = Table(rows=10**9, rare=10**10, cost=1e-5)
    swept = await look_through(table.look, limit=50, clock=lambda: table.now)
    assert (rows_of(swept), swept.is_full) == ([], False)
    assert swept.reached == pytest.approx(BUDGET / 1e-5, rel=0.1)
    assert table.now <= BUDGET * 1.1


async def test_no_look_is_longer_than_may_be() -> None:
    table = Table(rows=10**6, rare=10**10, cost=1e-9)
    await look_through(table.look, limit=50, clock=lambda: table.now)
    assert max(table.looks) == LONGEST_LOOK


async def test_the_end_of_the_list_is_the_end() -> None:
    table = Table(rows=100, rare=10, cost=0.0)
    swept = await look_through(table.look, limit=50, clock=lambda: table.now)
    assert rows_of(swept) == list(range(10, 101, 10))
    assert (swept.reached is None, swept.is_full) == (True, False)


def test_a_cursor_says_what_was_put_into_it_and_nothing_else_is_one() -> None:
    assert from_cursor(to_cursor(7, "x"), number_of, str) == [7, "x"]
    for wrong in ("", "%", to_cursor(7), to_cursor(-1, "x"), to_cursor(2**63, "x"), to_cursor(7, "x") + "\n"):
        with pytest.raises(InvalidInput):
            from_cursor(wrong, number_of, str)
