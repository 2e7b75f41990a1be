"""Pages hold what can be leased, and grow slowly while nothing can."""

import pytest

from relay.pipeline.pages import LEAST_SPILLED, MOST_A_PAGE, PATIENCE, Pages
from relay.pipeline.plan import MOST_DELIVERIES

FEW = 20


def pages(*, width: float) -> Pages:
    made = Pages()
    for _ in range(50):
        made.saw(events=100, deliveries=int(100 * width))
    return made


@pytest.mark.parametrize(
    ("width", "free", "size"),
    [(1, 20, 20), (1, 120, 120), (1, 10_000, MOST_A_PAGE), (10, 120, 12), (100, 20, 1), (0, 120, 120)],
)
def test_a_page_has_no_more_than_can_be_leased(width: float, free: int, size: int) -> None:
    assert pages(width=width).size(free, few=FEW, now=0.0) == pytest.approx(size, abs=1)


def test_the_first_page_is_small_for_what_is_not_known() -> None:
    assert Pages().size(1000, few=FEW, now=0.0) == 100


@pytest.mark.parametrize("free", [1, FEW - 1])
def test_a_short_want_of_slots_is_waited_out(free: int) -> None:
    narrow = pages(width=1)

    sizes = [narrow.size(free, few=FEW, now=each * PATIENCE / 10) for each in range(10)]

    assert sizes == pytest.approx([free] * 10, abs=1)


@pytest.mark.parametrize("free", [0, 1, FEW - 1])
def test_in_a_long_one_pages_grow_from_little_to_much_and_begin_anew_afterwards(free: int) -> None:
    narrow = pages(width=1)
    narrow.size(free, few=FEW, now=0.0)
    sizes = [narrow.size(free, few=FEW, now=PATIENCE + each) for each in range(12)]

    assert sizes[:3] == pytest.approx([LEAST_SPILLED, 2 * LEAST_SPILLED, 4 * LEAST_SPILLED], abs=1)
    assert sizes[-1] == MOST_A_PAGE
    narrow.size(FEW, few=FEW, now=20.0)
    narrow.size(free, few=FEW, now=21.0)
    assert narrow.size(free, few=FEW, now=22.0) == pytest.approx(LEAST_SPILLED, abs=1)


def test_a_page_of_wide_events_is_never_empty() -> None:
    assert pages(width=MOST_DELIVERIES * 3).size(0, few=FEW, now=0.0) == 1
